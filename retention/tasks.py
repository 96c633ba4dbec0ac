"""Celery shells of retention. Slots and runs are rows in PostgreSQL; losing every task here loses nothing."""

import time
from collections.abc import Sequence
from datetime import datetime

import structlog
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError
from django.utils import timezone

from memories.legal_holds import Held
from retention import enforce, erasure, planner_statistics, runs, schedule
from retention.models import RetentionSlot
from retention.scope import Scope
from tenants import actors, sending
from tenants.audit_actions import ActorKind
from tenants.models import Tenant

log = structlog.get_logger(__name__)

# Where there is one worker, embedding waits behind this. A task that has worked so long hands over to a fresh one.
WORK_SECONDS = 20.0


@shared_task
def run_due() -> int:
    """On beat: go on with interrupted runs, then start those whose slots are due; how many it worked on.

    Safe to run twice, and beside others: they take each other neither runs nor slots.
    """
    until = time.monotonic() + WORK_SECONDS
    now = timezone.now()
    worked = _resume(WORK_SECONDS)
    schedule.look(now)
    for slots in schedule.due(now):
        if (seconds := until - time.monotonic()) <= 0:
            break
        worked += _start(slots, now, seconds)
    if time.monotonic() >= until:
        sending.sent(run_due)
    return worked


@shared_task
def renew_samples() -> int:
    """On beat: what PostgreSQL has sampled of the erased goes; how many tables were sampled anew."""
    return planner_statistics.renew_after_erasures()


@shared_task
def erase(tenant_id: int, kind: str, subject: str, requested_by: str) -> bool:
    """What a person of the admin asked for; whether nothing is left. Safe to run twice.

    The message that starts it names the subject, and is gone from Redis once this has ended.
    """
    actors.acting(ActorKind.ADMIN, requested_by)
    tenant = Tenant.objects.filter(id=tenant_id).first()
    if tenant is None:
        return True
    scope = Scope(tenant_id=tenant_id, kind=kind, subject=subject)
    try:
        return erasure.erase(tenant=tenant, scope=scope, requested_by=requested_by).verified
    except Held:
        return False
    except SoftTimeLimitExceeded:
        # A tenant with millions of messages. What is gone stays gone, and a fresh task goes on.
        ask_for_erasure(scope, requested_by=requested_by)
        return False


def wake() -> bool:
    """Let a worker go on with runs that were begun; False: Redis did not answer, and beat does it within a minute."""
    return sending.sent(run_due)


def ask_for_erasure(scope: Scope, *, requested_by: str) -> bool:
    """Whether a worker could be asked to erase it."""
    return sending.sent(erase, scope.tenant_id, scope.kind, scope.subject, requested_by)


def _resume(seconds: float) -> int:
    """A run that fails again and again must not keep the others waiting; it is given up after some attempts."""
    try:
        return len(enforce.resume_interrupted(seconds=seconds))
    except DatabaseError as error:
        log.warning("retention_resume_failed", error=type(error).__name__)
        return 0


def _start(slots: Sequence[RetentionSlot], now: datetime, seconds: float) -> int:
    """Start and work one tenant's run; whether it was ours. Slots of a tenant that is busy or fails stay due."""
    try:
        run = schedule.start(slots, now)
        if run is not None:
            enforce.work(run, seconds=seconds)
    except runs.Busy:
        return 0
    except DatabaseError as error:
        log.warning("retention_start_failed", tenant=slots[0].tenant_id, error=type(error).__name__)
        return 0
    return int(run is not None)
