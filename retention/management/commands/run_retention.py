"""`manage.py run_retention [--tenant NAME] [--dry-run]`: enforce the policies now, or see what that would do."""

import getpass
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from memories.management.tenants import named_tenant
from retention import enforce, preview
from tenants.models import Tenant

HEAD = "      rows  what is done      policy            why"


class Command(BaseCommand):
    help = (
        "Archive, delete and purge what the policies say. It can be stopped at any time: the next run, or the "
        "schedule, goes on where it was. With --dry-run nothing is changed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", help="Only this tenant. Default: all tenants.")
        parser.add_argument("--dry-run", action="store_true", help="Only say what would be done, and why.")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = named_tenant(options["tenant"])
        tenants = list(Tenant.objects.filter(suspended_at=None)) if tenant is None else [tenant]
        for each in tenants:
            if options["dry_run"]:
                self._preview(each)
            else:
                self._run(each)

    def _preview(self, tenant: Tenant) -> None:
        said = preview.preview(tenant=tenant)
        self.stdout.write(
            f"{tenant.name}: would archive {said.archived}, delete {said.deleted}, purge {said.purged}; "
            f"{said.kept} stay."
        )
        self._table((each.rows, each.action, each.policy, each.reason) for each in said.groups)

    def _run(self, tenant: Tenant) -> None:
        done, busy = enforce.run_all(tenants=[tenant], trigger="command", started_by=getpass.getuser())
        if busy:
            self.stderr.write(f"{tenant.name}: left out, another run is under way.")
        for row in done:
            self.stdout.write(
                f"{tenant.name}: archived {row.archived}, deleted {row.deleted}, purged {row.purged}; "
                f"{row.kept} stay. Run {row.id}."
            )
            self._table(
                (each["rows"], each["action"], each["policy"], each["reason"]) for each in row.reasons
            )

    def _table(self, lines: Iterable[tuple[int, str, str, str]]) -> None:
        for n, (rows, action, policy, reason) in enumerate(lines):
            if n == 0:
                self.stdout.write(HEAD)
            self.stdout.write(f"{rows:>10}  {action:<16}  {policy or '-':<16}  {reason}")
