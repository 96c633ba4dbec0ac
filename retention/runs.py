"""A run's row and its lease: who works on it.

Every chunk is fenced by the lease's token, as embedding jobs are, so two workers never both move a row, and a dead
worker's run is taken over when its lease has run out. A lease rather than a session's advisory lock, because
transaction poolers lose those; that a tenant has one run at a time is a unique index.
"""

import uuid
from datetime import timedelta
from typing import Any

import structlog
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from retention import metrics
from retention.models import PlannedMove, RetentionRun, RunStatus
from tenants import audit
from tenants.audit_actions import AuditAction
from tenants.models import Tenant

log = structlog.get_logger(__name__)

# Many times what a chunk takes, and short enough that a killed run does not hold up the next for long.
LEASE_SECONDS = 20
# So often a run is taken up without a single chunk done before it counts as failed.
ATTEMPTS = 5
BUSY = "Another retention run of this tenant is under way."


class Busy(Exception):
    """Another run of the tenant is under way."""


class LeaseLost(Exception):
    """Somebody else works on the run now, or it is gone with its tenant."""


def create(row: RetentionRun) -> RetentionRun:
    """Store a new run under a lease. Raises Busy while the tenant has another."""
    row.lease_token = uuid.uuid4()
    row.lease_until = lease()
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            _note(row)
    except IntegrityError as error:
        if "run_one_at_a_time" not in str(error):
            raise
        raise Busy(BUSY) from error
    return row


def hold(row: RetentionRun) -> None:
    """Lock the run's row for this transaction; its lease must still be ours.

    Its tenant first, as whoever deletes the tenant does: in another order the two would wait for each other.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM tenants_tenant WHERE id = %s FOR KEY SHARE", [row.tenant_id])
    mine = _running().filter(tenant_id=row.tenant_id, id=row.id, lease_token=row.lease_token)
    if not mine.select_for_update(no_key=True).exists():
        raise LeaseLost


def release(row: RetentionRun) -> None:
    """Let go of it before it is done: whoever comes next may take it."""
    mine = _running().filter(tenant_id=row.tenant_id, id=row.id, lease_token=row.lease_token)
    mine.update(lease_until=Now(), lease_token=None)


def note_failure(row: RetentionRun, error: DatabaseError) -> None:
    """Without the message: it could quote a row."""
    log.error("retention_run_failed", tenant=row.tenant_id, run=str(row.id), error=type(error).__name__)
    try:
        mine = _running().filter(tenant_id=row.tenant_id, id=row.id, lease_token=row.lease_token)
        mine.update(error=type(error).__name__, lease_until=Now(), lease_token=None)
    except DatabaseError:
        log.warning("retention_run_waits_for_its_lease", tenant=row.tenant_id, run=str(row.id))


def abandoned(tenant: Tenant | None) -> list[RetentionRun]:
    """Running ones that nobody holds, the oldest first; not those of suspended tenants."""
    rows = _running().filter(Q(lease_until=None) | Q(lease_until__lte=Now())).order_by("started_at")
    if tenant is not None:
        rows = rows.filter(tenant=tenant)
    return list(rows.filter(tenant__suspended_at=None))


def take(row: RetentionRun) -> bool:
    """Whether the run is ours now. One that got nowhere again and again is given up."""
    free = _running().filter(tenant_id=row.tenant_id, id=row.id)
    free = free.filter(Q(lease_until=None) | Q(lease_until__lte=Now()))
    if row.attempts >= ATTEMPTS:
        free.update(status=RunStatus.FAILED, finished_at=Now(), lease_token=None, lease_until=None)
        PlannedMove.objects.filter(tenant_id=row.tenant_id, run_id=row.id).delete()
        metrics.RUNS.labels(row.trigger, RunStatus.FAILED).inc()
        return False
    row.lease_token = uuid.uuid4()
    taken = free.update(lease_token=row.lease_token, lease_until=lease(), attempts=F("attempts") + 1)
    if taken:
        row.refresh_from_db()
    return bool(taken)


def _note(row: RetentionRun) -> None:
    """What it does, the run's own row counts."""
    restores = row.kind == RetentionRun.Kind.RESTORE
    audit.record(
        AuditAction.RETENTION_RESTORE if restores else AuditAction.RETENTION_RUN,
        tenant_id=row.tenant_id,
        of="run",
        id=row.id,
        changes={"undoes": str(row.restores)} if row.restores else {},
    )


def _running() -> Any:
    return RetentionRun.objects.filter(status=RunStatus.RUNNING)


def lease() -> Any:
    """By the database's clock: hosts may disagree."""
    return Now() + timedelta(seconds=LEASE_SECONDS)
