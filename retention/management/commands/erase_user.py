"""`manage.py erase_user --tenant acme USER [--yes]`"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from memories.management.tenants import named_tenant
from memories.models import Subject
from retention import erasure
from retention.management import erasing
from retention.scope import Scope


class Command(BaseCommand):
    help = (
        "Erase a user: all messages said up to now, archived ones too, for good. Says what will go, and asks. Safe to "
        "repeat, and to be called again after it was interrupted."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", metavar="USER", help="The user_id.")
        parser.add_argument("--tenant", required=True)
        parser.add_argument("--yes", action="store_true", help="Do not ask.")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = named_tenant(options["tenant"])
        user: str = options["user"]
        if tenant is None or not user:
            raise CommandError("Name the tenant and the user.")
        erasing.erase(
            self,
            Scope(tenant_id=tenant.id, kind=Subject.USER, subject=user),
            lambda by: erasure.erase_user(tenant=tenant, user_id=user, requested_by=by),
            what=f"user {user!r} of {tenant.name}",
            sure=options["yes"],
        )
