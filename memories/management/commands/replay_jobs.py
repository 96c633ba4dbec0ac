"""`manage.py replay_jobs [--tenant NAME] [--dry-run]`: buried embedding jobs are tried again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db.models import Count

from memories import replay
from memories.management.tenants import named_tenant

REASONS_SHOWN = 10


class Command(BaseCommand):
    help = (
        "Try buried embedding jobs again: texts that the embedding provider refused. Those it still refuses are buried "
        "again with its new reason."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", help="Only jobs of this tenant. Default: all tenants.")
        parser.add_argument("--dry-run", action="store_true", help="Only count them, by reason.")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = named_tenant(options["tenant"])
        if not options["dry_run"]:
            self.stdout.write(f"{replay.replay(tenant=tenant)} buried jobs are due again.")
            return
        jobs = replay.chosen(tenant=tenant)
        self.stdout.write(f"{jobs.count()} buried jobs would be due again.")
        reasons = jobs.values_list("last_error").annotate(count=Count("id")).order_by("-count", "last_error")
        for reason, count in reasons[:REASONS_SHOWN]:
            self.stdout.write(f"{count:>8}  {reason}")
