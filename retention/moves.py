"""One chunk of a run: the rows that its plan names next are locked, judged again, moved and counted, all or nothing.

Locks last for one chunk, some tens of milliseconds; whoever edits one of these very messages waits for so long. A row
that is not due any more, because it was edited, pinned, held or removed since the plan, is skipped.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import connection

from memories import archive
from retention import selection
from retention.models import PlannedMove, RetentionRun
from retention.policies import Policy
from retention.selection import Due, Sql, Step

# What was moved: step and the policy's place -> rows.
Moved = Counter[tuple[Step, int]]


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Planned rows of one step."""

    run: RetentionRun
    policies: Sequence[Policy]
    acting: frozenset[int]
    ids: Sequence[UUID]

    @property
    def tenant_id(self) -> int:
        """Whose rows they are."""
        return self.run.tenant_id

    @property
    def now(self) -> datetime:
        """The run's clock: a run that goes on tomorrow decides as it would have today."""
        return self.run.decided_at


def move(
    run: RetentionRun, policies: Sequence[Policy], acting: frozenset[int], planned: Sequence[PlannedMove]
) -> Moved:
    """Move what is still due of these rows of the plan, by a policy that acts in the run (`acting`: their places).

    Inside a transaction that holds the run's row.
    """
    moved: Moved = Counter()
    for step in sorted({row.step for row in planned}):
        ids = [row.message_id for row in planned if row.step == step]
        moved += _MOVERS[Step(step)](Chunk(run=run, policies=policies, acting=acting, ids=ids))
    return moved


def judged(sql: Sql) -> dict[UUID, tuple[Step, int]]:
    """The step and policy of the rows that nothing holds."""
    selected, params = sql
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, step, policy FROM ({selected}) AS due WHERE NOT held AND NOT pinned",  # noqa: S608
            params,
        )
        return {message_id: (Step(step), policy) for message_id, step, policy in cursor.fetchall()}


def _leave(step: Step) -> Callable[[Chunk], Moved]:
    def leave(chunk: Chunk) -> Moved:
        ids = archive.lock_messages(tenant_id=chunk.tenant_id, ids=chunk.ids)
        due = judged(selection.in_memory(_due(chunk, ids)))
        leaving = [
            archive.Leaving(
                message_id=message_id,
                policy=chunk.policies[policy].name,
                reason=chunk.policies[policy].reason,
                deleted=step == Step.DELETE,
            )
            for message_id, (now_due, policy) in due.items()
            if now_due == step
        ]
        archive.to_archive(tenant_id=chunk.tenant_id, leaving=leaving, run_id=chunk.run.id, now=chunk.now)
        gone = [each.message_id for each in leaving]
        if step == Step.DELETE:
            _purge_without_grace(chunk, gone)
        return Counter(due[message_id] for message_id in gone)

    return leave


def _delete_archived(chunk: Chunk) -> Moved:
    ids = archive.lock_archived(tenant_id=chunk.tenant_id, ids=chunk.ids)
    due = judged(selection.in_archive(_due(chunk, ids)))
    reasons = {
        message_id: chunk.policies[policy].reason_in_archive for message_id, (_, policy) in due.items()
    }
    archive.mark_deleted(tenant_id=chunk.tenant_id, reasons=reasons, run_id=chunk.run.id, now=chunk.now)
    _purge_without_grace(chunk, list(due))
    return Counter(due.values())


def _purge_without_grace(chunk: Chunk, ids: Sequence[UUID]) -> None:
    if settings.ENV.retention_grace_days == 0:
        archive.purge(tenant_id=chunk.tenant_id, ids=ids)


def _purge(chunk: Chunk) -> Moved:
    ids = archive.lock_archived(tenant_id=chunk.tenant_id, ids=chunk.ids)
    due = judged(selection.to_purge(_due(chunk, ids)))
    archive.purge(tenant_id=chunk.tenant_id, ids=list(due))
    return Counter(due.values())


def _restore(chunk: Chunk) -> Moved:
    ids = archive.lock_archived(tenant_id=chunk.tenant_id, ids=chunk.ids)
    back = archive.from_archive(tenant_id=chunk.tenant_id, ids=ids)
    return Counter({(Step.RESTORE, selection.NO_POLICY): len(back)})


def _undelete(chunk: Chunk) -> Moved:
    ids = archive.lock_archived(tenant_id=chunk.tenant_id, ids=chunk.ids)
    back = archive.unmark_deleted(tenant_id=chunk.tenant_id, ids=ids)
    return Counter({(Step.UNDELETE, selection.NO_POLICY): back})


def _due(chunk: Chunk, ids: Sequence[UUID]) -> Due:
    return Due(
        tenant_id=chunk.tenant_id,
        policies=chunk.policies,
        now=chunk.now,
        only=chunk.acting,
        ids=ids,
        run_id=chunk.run.id,
    )


_MOVERS: dict[Step, Callable[[Chunk], Moved]] = {
    Step.ARCHIVE: _leave(Step.ARCHIVE),
    Step.DELETE: _leave(Step.DELETE),
    Step.DELETE_ARCHIVED: _delete_archived,
    Step.PURGE: _purge,
    Step.RESTORE: _restore,
    Step.UNDELETE: _undelete,
}
