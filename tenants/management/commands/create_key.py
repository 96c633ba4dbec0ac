"""`manage.py create_key --tenant acme --scope read --scope write --expires-in-days 90 --allow 10.0.0.0/8`"""

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from tenants.lifecycle import create_key
from tenants.management.named import named_tenant
from tenants.models import Scope

DAYS_MAX = 36500


class Command(BaseCommand):
    help = "Issue an API key. The key is printed once and cannot be read again."

    def add_arguments(self, parser: CommandParser) -> None:
        owner = parser.add_mutually_exclusive_group(required=True)
        owner.add_argument("--tenant", help="The tenant the key belongs to.")
        owner.add_argument("--operator", action="store_true", help="A key for all tenants.")
        parser.add_argument(
            "--scope", action="append", choices=Scope.values, help="May be repeated. Default: read and write."
        )
        parser.add_argument("--name", default="", help="Whose key this is.")
        parser.add_argument("--expires-in-days", type=float, metavar="DAYS", help="Default: never.")
        parser.add_argument(
            "--allow",
            action="append",
            default=[],
            metavar="NETWORK",
            help="An address or network it may be used from; may be repeated. Default: anywhere.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        days = options["expires_in_days"]
        if days is not None and not 0 < days <= DAYS_MAX:
            raise CommandError(f"--expires-in-days must be above 0 and at most {DAYS_MAX}.")
        default = Scope.values if options["operator"] else [Scope.READ, Scope.WRITE]
        try:
            _, plain = create_key(
                tenant=None if options["operator"] else named_tenant(options["tenant"]),
                scopes=options["scope"] or default,
                name=options["name"],
                expires_at=None if days is None else timezone.now() + timedelta(days=days),
                allowed_networks=options["allow"],
            )
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(plain)
