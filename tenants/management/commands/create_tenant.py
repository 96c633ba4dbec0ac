"""`manage.py create_tenant acme [--language german]`"""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.languages import ENGLISH, LANGUAGES
from tenants.lifecycle import create_tenant


class Command(BaseCommand):
    help = "Create a tenant. Its name is the tenant_id that callers of the API use."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument(
            "--language",
            choices=LANGUAGES,
            default=ENGLISH,
            metavar="LANGUAGE",
            help="Of its messages, for full text: english (default), german ...; simple for any other.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            tenant = create_tenant(name=options["name"], language=options["language"])
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(f"Created tenant {tenant.name}.")
