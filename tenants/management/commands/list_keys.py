"""`manage.py list_keys [--tenant acme | --operator] [--all]`"""

from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from tenants.management.named import named_tenant
from tenants.models import ApiKey


class Command(BaseCommand):
    help = "List API keys, the newest first: what they may do, whether they work, when they were last used."

    def add_arguments(self, parser: CommandParser) -> None:
        owner = parser.add_mutually_exclusive_group()
        owner.add_argument("--tenant", help="Only the keys of this tenant.")
        owner.add_argument("--operator", action="store_true", help="Only operators' keys.")
        parser.add_argument("--all", action="store_true", help="Revoked and expired ones too.")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        found = ApiKey.objects.all() if options["all"] else ApiKey.objects.usable(now)
        if options["operator"]:
            found = found.filter(tenant=None)
        elif options["tenant"] is not None:
            found = found.filter(tenant=named_tenant(options["tenant"]))
        for key in found.select_related("tenant").order_by("-id"):
            self.stdout.write(_line(key, now))


def _line(key: ApiKey, now: datetime) -> str:
    parts = [
        str(key),
        str(key.state(now)),
        str(key.tenant or "(operator)"),
        ",".join(key.scopes),
        f"created {key.created_at:%Y-%m-%d}",
        f"last used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used",
        f"expires {key.expires_at:%Y-%m-%d %H:%M}" if key.expires_at else "",
        f"from {','.join(key.allowed_networks)}" if key.allowed_networks else "",
        repr(key.name) if key.name else "",
    ]
    return "  ".join(part for part in parts if part)
