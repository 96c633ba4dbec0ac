"""Embedding jobs as people want them: buried ones tried again (replay), waiting ones hurried, others given up."""

from collections.abc import Collection, Mapping
from typing import Any

import structlog
from django.db import transaction
from django.db.models.functions import Now

from memories import caching, tasks
from memories.models import EmbeddingJob
from memories.querysets import EmbeddingJobQuerySet
from tenants.models import Tenant

log = structlog.get_logger(__name__)

# Each chunk is a transaction: replaying a million jobs must not hold a million locks.
CHUNK = 1000


def replay(*, tenant: Tenant | None = None, job_ids: Collection[int] | None = None) -> int:
    """Make buried jobs due again; how many. All of them, or those of a tenant, or those with these ids, or both.

    `last_error` stays until the next try tells better. Open jobs are left alone, so doing it twice does it once.
    """
    changes = {"attempts": 0, "buried_at": None, "next_attempt_at": Now(), "lease_token": None}
    replayed = _change(chosen(tenant=tenant, job_ids=job_ids), changes)
    log.info("jobs_replayed", jobs=replayed)
    return replayed


def hurry(*, job_ids: Collection[int]) -> int:
    """Open jobs that back off are due now; how many. One that a worker holds is left to it."""
    waiting = EmbeddingJob.objects.open().filter(id__in=job_ids, lease_token=None, next_attempt_at__gt=Now())
    return _change(waiting, {"next_attempt_at": Now()})


def give_up(*, job_ids: Collection[int], reason: str) -> int:
    """Bury open jobs, as if their texts had been refused for that reason; how many. A worker's lease ends with it."""
    changes = {"buried_at": Now(), "last_error": reason, "lease_token": None}
    buried = _change(EmbeddingJob.objects.open().filter(id__in=job_ids), changes)
    log.info("jobs_given_up", jobs=buried)
    return buried


def chosen(*, tenant: Tenant | None = None, job_ids: Collection[int] | None = None) -> EmbeddingJobQuerySet:
    """The buried jobs that replay() would take."""
    jobs = EmbeddingJob.objects.buried()
    if tenant is not None:
        jobs = jobs.for_tenant(tenant.id)
    return jobs if job_ids is None else jobs.filter(id__in=job_ids)


def _change(jobs: EmbeddingJobQuerySet, changes: Mapping[str, Any]) -> int:
    changed, place = 0, (0, 0)
    while chunk := _change_chunk(jobs.after(*place), changes):
        changed, place = changed + len(chunk), chunk[-1]
    return changed


def _change_chunk(jobs: EmbeddingJobQuerySet, changes: Mapping[str, Any]) -> list[tuple[int, int]]:
    """The places of those that were taken, in order.

    Goes by place and never back: a worker may have buried the first again before the last is reached. A locked row is
    being edited, deleted or replayed by somebody else, and waiting for it here could end in a deadlock.
    """
    with transaction.atomic():
        locked = jobs.in_place_order().select_for_update(skip_locked=True)
        places = list(locked.values_list("tenant_id", "id")[:CHUNK])
        EmbeddingJob.objects.at(places).update(**changes)
        if places:
            caching.forget_answers({tenant_id for tenant_id, _ in places})
            transaction.on_commit(tasks.hint)
    return places
