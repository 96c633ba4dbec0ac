"""`manage.py revoke_key PREFIX`"""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tenants.lifecycle import revoke_key
from tenants.management.named import named_key
from tenants.remembered import SECONDS


class Command(BaseCommand):
    help = "Revoke an API key for good."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "key", metavar="PREFIX", help="As list_keys shows it; a leaked key may be given whole."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        key = revoke_key(key=named_key(options["key"]))
        self.stdout.write(f"Revoked {key}. Running servers refuse it within {SECONDS:.0f} seconds.")
