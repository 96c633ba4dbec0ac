"""`manage.py rotate_key PREFIX [--overlap-seconds 86400]`"""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.lifecycle import OVERLAP, OVERLAP_MAX, CannotRotate, rotate_key
from tenants.management.named import named_key


class Command(BaseCommand):
    help = "Replace an API key by one with the same rights, which is printed once. The old one works for a while."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key", metavar="PREFIX", help="As list_keys shows it.")
        parser.add_argument(
            "--overlap-seconds",
            type=int,
            default=int(OVERLAP.total_seconds()),
            help="So long the old key still works; 0: it ends at once. Default: a day.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        seconds = options["overlap_seconds"]
        if not 0 <= seconds <= OVERLAP_MAX.total_seconds():
            raise CommandError(f"--overlap-seconds must be 0 to {OVERLAP_MAX.total_seconds():.0f}.")
        try:
            _, plain = rotate_key(key=named_key(options["key"]), overlap=timedelta(seconds=seconds))
        except CannotRotate as error:
            raise CommandError(str(error)) from error
        self.stdout.write(plain)
