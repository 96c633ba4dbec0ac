"""`manage.py restore_run RUN_ID`: undo a retention run."""

import getpass
from argparse import ArgumentTypeError
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from retention import restoring, runs
from retention.models import RetentionRun


class Command(BaseCommand):
    help = (
        "Bring back everything that a retention run archived or deleted and that is not purged yet. What still fits a "
        "policy leaves again with its next run: change the policy first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("run_id", type=_uuid, help="As run_retention printed it.")

    def handle(self, *args: Any, **options: Any) -> None:
        undone = RetentionRun.objects.filter(id=options["run_id"]).select_related("tenant").first()
        if undone is None:
            raise CommandError("There is no such run.")
        try:
            row = restoring.restore_run(
                tenant=undone.tenant, run_id=undone.id, trigger="command", started_by=getpass.getuser()
            )
        except (runs.Busy, restoring.CannotRestore) as error:
            raise CommandError(str(error)) from error
        left = f" {row.skipped} stay: another message has taken their external_id." if row.skipped else ""
        self.stdout.write(f"{undone.tenant.name}: restored {row.restored}.{left} Run {row.id}.")


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise ArgumentTypeError("not the id of a run") from error
