"""replay(): buried jobs are tried again, once whoever refused their texts would take them now."""

from collections.abc import Collection

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
    jobs, replayed, place = chosen(tenant=tenant, job_ids=job_ids), 0, (0, 0)
    while chunk := _replay_chunk(jobs.after(*place)):
        replayed, place = replayed + len(chunk), chunk[-1]
    log.info("jobs_replayed", jobs=replayed)
    return replayed


def chosen(*, tenant: Tenant | None = None, job_ids: Collection[int] | None = None) -> EmbeddingJobQuerySet:
    """The buried jobs that replay() would take."""
    jobs = EmbeddingJob.objects.buried()
    if tenant is not None:
        jobs = jobs.for_tenant(tenant.id)
    return jobs if job_ids is None else jobs.filter(id__in=job_ids)


def _replay_chunk(jobs: EmbeddingJobQuerySet) -> list[tuple[int, int]]:
    """The places of those that were taken, in order.

    Goes by place and never back: a worker may have buried the first again before the last is reached. A locked row is
    being edited, deleted or replayed by somebody else, and waiting for it here could end in a deadlock.
    """
    with transaction.atomic():
        locked = jobs.in_place_order().select_for_update(skip_locked=True)
        places = list(locked.values_list("tenant_id", "id")[:CHUNK])
        EmbeddingJob.objects.at(places).update(
            attempts=0, buried_at=None, next_attempt_at=Now(), lease_token=None
        )
        if places:
            caching.forget_answers({tenant_id for tenant_id, _ in places})
            transaction.on_commit(tasks.hint)
    return places
