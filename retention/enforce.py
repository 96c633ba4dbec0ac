"""run(): what the policies say is done, chunk by chunk, and can be undone until the grace period is over.

1. begin: a RetentionRun row, with the policies as they are and the clock that decides. One a tenant at a time.
2. plan: one statement writes a PlannedMove for every row that is due. It locks nothing.
3. work: chunks of the plan, a transaction each, which moves the rows, uses up their plan and counts them in the run.

A killed worker's run goes on from its last chunk, with its own policies and clock (`runs`).
"""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from retention import metrics, moves, runs, selection
from retention.effective import note_recalls, policies_of
from retention.models import PlannedMove, RetentionRun, RunStatus
from retention.policies import HELD, KEEP, PINNED, Policy
from retention.selection import Due, Step
from tenants.models import Tenant

log = structlog.get_logger(__name__)

# Short ones, and after each a rest of twice as long: a run takes a third of a core, and a search seldom meets a whole
# chunk. In chunks of 1,000 with rests as long as they, the slowest searches took 1.4 times as long, in these 1.2.
CHUNK = 250
REST_SHARE = 2.0

_COUNTED = {
    Step.ARCHIVE: "archived",
    Step.DELETE: "deleted",
    Step.DELETE_ARCHIVED: "deleted",
    Step.PURGE: "purged",
    Step.RESTORE: "restored",
    Step.UNDELETE: "restored",
}


def run(
    *,
    tenant: Tenant,
    trigger: str,
    started_by: str,
    policy_ids: Sequence[int] | None = None,
    now: datetime | None = None,
    seconds: float | None = None,
) -> RetentionRun:
    """Enforce the tenant's policies, or only those with these ids (0: the default), at the clock `now`.

    With `seconds`, a run that takes longer is left `running`, and whoever calls resume_interrupted() goes on with it;
    with 0 it is only begun. An interrupted run of the tenant is finished first. Raises runs.Busy.
    """
    resume_interrupted(tenant=tenant, seconds=seconds)
    begun = begin(tenant=tenant, trigger=trigger, started_by=started_by, policy_ids=policy_ids, now=now)
    return start(begun, seconds=seconds)


def run_all(
    *,
    tenants: Sequence[Tenant],
    trigger: str,
    started_by: str,
    policy_ids: Sequence[int] | None = None,
    seconds: float | None = None,
) -> tuple[list[RetentionRun], list[Tenant]]:
    """run() for each of them, for so long together: the runs, and the tenants that are busy with another.

    When time is up, the runs of the others are begun all the same, for resume_interrupted() to work on.
    """
    until = None if seconds is None else time.monotonic() + seconds
    done: list[RetentionRun] = []
    busy: list[Tenant] = []
    for tenant in tenants:
        left = None if until is None else max(0.0, until - time.monotonic())
        try:
            done.append(
                run(
                    tenant=tenant, trigger=trigger, started_by=started_by, policy_ids=policy_ids, seconds=left
                )
            )
        except runs.Busy:
            busy.append(tenant)
    return done, busy


def begin(
    *,
    tenant: Tenant,
    trigger: str,
    started_by: str,
    policy_ids: Sequence[int] | None = None,
    now: datetime | None = None,
) -> RetentionRun:
    """The run's row, leased to the caller, nothing moved yet. Raises runs.Busy."""
    governing = policies_of(tenant)
    note_recalls(governing)
    policies = [
        {**policy.snapshot(), "acts": policy_ids is None or policy.id in policy_ids} for policy in governing
    ]
    return runs.create(
        RetentionRun(
            tenant=tenant,
            trigger=trigger,
            started_by=started_by,
            policies=policies,
            decided_at=now or timezone.now(),
        )
    )


def start(row: RetentionRun, *, seconds: float | None) -> RetentionRun:
    """work() on a run that was just begun; with 0 seconds it is let go of at once, for a worker to take up."""
    if seconds is not None and seconds <= 0:
        runs.release(row)
        return row
    return work(row, seconds=seconds)


def work(row: RetentionRun, *, seconds: float | None = None, chunk: int = CHUNK) -> RetentionRun:
    """Do what is left of a run that the caller has under its lease, for so long; the row as it is then.

    A failure of the database leaves the run to be resumed and is raised.
    """
    until = None if seconds is None else time.monotonic() + seconds
    try:
        if row.planned is None:
            plan(row)
        started = time.monotonic()
        while moved := _move_chunk(row, chunk):
            if until is not None and time.monotonic() > until:
                runs.release(row)
                break
            if moved == chunk:
                time.sleep(REST_SHARE * (time.monotonic() - started))
            started = time.monotonic()
    except runs.LeaseLost:
        log.warning("retention_lease_lost", tenant=row.tenant_id, run=str(row.id))
    except DatabaseError as error:
        runs.note_failure(row, error)
        raise
    return RetentionRun.objects.filter(tenant_id=row.tenant_id, id=row.id).first() or row


def resume_interrupted(*, tenant: Tenant | None = None, seconds: float | None = None) -> list[RetentionRun]:
    """Go on with runs that nobody works on, of all tenants or one, for so long; as they are then."""
    until = None if seconds is None else time.monotonic() + seconds
    resumed: list[RetentionRun] = []
    for row in runs.abandoned(tenant):
        left = None if until is None else until - time.monotonic()
        if left is not None and left <= 0:
            break
        if runs.take(row):
            resumed.append(work(row, seconds=left))
    return resumed


def policies_in(row: RetentionRun) -> tuple[list[Policy], frozenset[int]]:
    """The policies as they were when the run began, and the places of those that act in it."""
    rules = [{name: value for name, value in rule.items() if name != "acts"} for rule in row.policies]
    acting = frozenset(place for place, rule in enumerate(row.policies) if rule["acts"])
    return [Policy(**rule) for rule in rules], acting


def plan(row: RetentionRun, *, ids: Sequence[UUID] | None = None) -> None:
    """Write down every row that the run is going to move, of all messages or of these."""
    policies, acting = policies_in(row)
    due = Due(tenant_id=row.tenant_id, policies=policies, now=row.decided_at, only=acting, ids=ids)
    sql, params = selection.everything(due)
    with transaction.atomic(), connection.cursor() as cursor:
        runs.hold(row)
        cursor.execute(
            f"""
            WITH due AS MATERIALIZED ({sql}), planned AS (
                INSERT INTO retention_plannedmove (tenant_id, run_id, message_id, policy, step, newer)
                SELECT %s, %s, id, policy, step, newer FROM due WHERE NOT held AND NOT pinned)
            SELECT step, policy, held, pinned, count(*) FROM due GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
            """,  # noqa: S608 - made of constants
            [*params, row.tenant_id, row.id],
        )
        groups = cursor.fetchall()
        cursor.execute("SELECT count(*) FROM memories_message WHERE tenant_id = %s", [row.tenant_id])
        row.kept = cursor.fetchone()[0]
        row.planned = sum(count for *_, held, pinned, count in groups if not held and not pinned)
        row.reasons = [
            {
                "action": KEEP,
                "policy": _name(policies, policy),
                "reason": HELD if held else PINNED,
                "rows": count,
            }
            for _, policy, held, pinned, count in groups
            if held or pinned
        ]
        row.save(update_fields=["planned", "kept", "reasons"])


def _move_chunk(row: RetentionRun, size: int) -> int:
    """How many rows of the plan it used up; 0: there were none left, and the run is done."""
    policies, acting = policies_in(row)
    with transaction.atomic():
        runs.hold(row)
        mine = PlannedMove.objects.filter(tenant_id=row.tenant_id, run_id=row.id)
        planned = list(mine.order_by("message_id")[:size])
        if planned:
            moved = moves.move(row, policies, acting, planned)
            # By the index: as a list of ids it would be looked up row by row.
            mine.filter(message_id__lte=planned[-1].message_id).delete()
            _count(row, policies, moved, planned=len(planned))
        else:
            _finish(row)
    if not planned:
        metrics.RUNS.labels(row.trigger, row.status).inc()
        return 0
    for (step, _), count in moved.items():
        metrics.ROWS.labels(step.name.lower()).inc(count)
    return len(planned)


def _count(row: RetentionRun, policies: Sequence[Policy], moved: moves.Moved, *, planned: int) -> None:
    for (step, policy), count in sorted(moved.items()):
        counter = _COUNTED[step]
        setattr(row, counter, getattr(row, counter) + count)
        if step in (Step.ARCHIVE, Step.DELETE):
            row.kept -= count
        _add_reason(row, step, policies[policy] if policy != selection.NO_POLICY else None, count)
    row.skipped += planned - moved.total()
    row.attempts = 0
    row.lease_until = runs.lease()
    counters = sorted(set(_COUNTED.values()))
    row.save(update_fields=[*counters, "kept", "skipped", "reasons", "attempts", "lease_until"])


def _add_reason(row: RetentionRun, step: Step, policy: Policy | None, count: int) -> None:
    group: dict[str, Any] = {
        "action": step.name.lower(),
        "policy": policy.name if policy else "",
        "reason": selection.reason(step, policy),
    }
    for known in row.reasons:
        if all(known[name] == value for name, value in group.items()):
            known["rows"] += count
            return
    row.reasons.append({**group, "rows": count})


def _finish(row: RetentionRun) -> None:
    row.status, row.finished_at = RunStatus.DONE, timezone.now()
    row.lease_token, row.lease_until, row.error = None, None, ""
    row.save(update_fields=["status", "finished_at", "lease_token", "lease_until", "error"])
    if row.restores:
        undone = RetentionRun.objects.filter(tenant_id=row.tenant_id, id=row.restores)
        undone.update(restored_by=row.id)
    log.info(
        "retention_run_done",
        tenant=row.tenant_id,
        run=str(row.id),
        kind=row.kind,
        archived=row.archived,
        deleted=row.deleted,
        purged=row.purged,
        restored=row.restored,
    )


def _name(policies: Sequence[Policy], place: int) -> str:
    return policies[place].name if place != selection.NO_POLICY else ""
