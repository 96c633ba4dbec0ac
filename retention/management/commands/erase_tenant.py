"""`manage.py erase_tenant acme [--yes]`"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from memories.management.tenants import named_tenant
from retention import erasure
from retention.management import erasing
from retention.scope import TENANT, Scope


class Command(BaseCommand):
    help = (
        "Erase a tenant with its messages, archive, keys, policies and history, for good; receipts stay. It is "
        "suspended first. Says what will go, and asks. Can be called again after it was interrupted."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--yes", action="store_true", help="Do not ask.")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = named_tenant(options["name"])
        if tenant is None:
            raise CommandError("Name the tenant.")
        erasing.erase(
            self,
            Scope(tenant_id=tenant.id, kind=TENANT, subject=tenant.name),
            lambda by: erasure.erase_tenant(tenant=tenant, requested_by=by),
            what=f"the whole tenant {tenant.name}",
            sure=options["yes"],
        )
