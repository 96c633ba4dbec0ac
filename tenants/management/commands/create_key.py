"""`manage.py create_key --tenant acme --scope read --scope write`"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.lifecycle import create_key
from tenants.models import Scope, Tenant


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

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = None if options["operator"] else _tenant(options["tenant"])
        default = Scope.values if options["operator"] else [Scope.READ, Scope.WRITE]
        _, plain = create_key(tenant=tenant, scopes=options["scope"] or default, name=options["name"])
        self.stdout.write(plain)


def _tenant(name: str) -> Tenant:
    tenant = Tenant.objects.filter(name=name).first()
    if tenant is None:
        raise CommandError(f"There is no tenant {name}. Create it with `manage.py create_tenant`.")
    return tenant
