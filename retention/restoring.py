"""The way back: of all that a run moved, of a conversation, of single messages; until they are purged.

A restore is a run like any other, planned, done in chunks and resumable; what comes back is as it was. It does not
change the policies: what still fits one leaves again with its next run.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from retention import runs
from retention.enforce import start
from retention.models import RetentionRun, RunStatus
from retention.selection import NO_POLICY, Step
from tenants.models import Tenant


class CannotRestore(Exception):
    """What was asked for is nothing that can be restored; says why."""


def restore_run(
    *, tenant: Tenant, run_id: UUID, trigger: str, started_by: str, seconds: float | None = None
) -> RetentionRun:
    """Undo one run: what it archived comes back to the memory, what it deleted to where it was then.

    Raises RetentionRun.DoesNotExist, CannotRestore and runs.Busy.
    """
    undone = RetentionRun.objects.get(tenant=tenant, id=run_id)
    if undone.kind != RetentionRun.Kind.ENFORCE:
        raise CannotRestore("That run was a restore itself. Run the policies to archive again.")
    if undone.status == RunStatus.RUNNING:
        raise runs.Busy("That run is still under way.")
    where = "(archived_by = %s OR deleted_by = %s)"
    step = f"CASE WHEN archived_by = %s THEN {Step.RESTORE:d} ELSE {Step.UNDELETE:d} END"
    row = RetentionRun(tenant=tenant, restores=run_id, trigger=trigger, started_by=started_by)
    return start(_begin(row, step, where, [run_id, run_id, run_id]), seconds=seconds)


def restore_messages(
    *,
    tenant: Tenant,
    trigger: str,
    started_by: str,
    conversation_id: str | None = None,
    message_ids: Sequence[UUID] | None = None,
    seconds: float | None = None,
) -> RetentionRun:
    """Bring archived and not yet purged messages back to the memory: a conversation's, or these. Raises runs.Busy."""
    if (conversation_id is None) == (message_ids is None):
        raise CannotRestore("Name a conversation or messages.")
    where = "conversation_id = %s" if message_ids is None else "id = ANY(%s::uuid[])"
    params = [conversation_id if message_ids is None else list(message_ids)]
    row = RetentionRun(tenant=tenant, trigger=trigger, started_by=started_by)
    return start(_begin(row, f"{Step.RESTORE:d}", where, params), seconds=seconds)


def _begin(row: RetentionRun, step: str, where: str, params: list[Any]) -> RetentionRun:
    """The run with its plan. The order of the parameters: those of `step`, then those of `where`."""
    row.kind, row.decided_at = RetentionRun.Kind.RESTORE, timezone.now()
    with transaction.atomic():
        runs.create(row)
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                INSERT INTO retention_plannedmove (tenant_id, run_id, message_id, policy, step)
                SELECT tenant_id, %s, id, {NO_POLICY}, {step} FROM memories_archivedmessage
                WHERE tenant_id = %s AND {where}
                """,  # noqa: S608 - made of constants
                [row.id, *params[: step.count("%s")], row.tenant_id, *params[step.count("%s") :]],
            )
            row.planned = cursor.rowcount
        row.save(update_fields=["planned"])
    return row
