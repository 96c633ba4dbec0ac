"""Celery shells of filling a space and switching to it, for the admin; `manage.py reembed` and `switch_space` wait."""

import time
from uuid import UUID

import structlog
from celery import shared_task

from memories import caching, reembedding
from memories.models import EmbeddingJob, EmbeddingSpace
from tenants import sending

log = structlog.get_logger(__name__)

# Embedding waits behind one look where there is one worker, and new messages behind so many jobs.
WORK_SECONDS = 20.0
QUEUE = 5000
WAIT_SECONDS = 5
# So long somebody may take to come back to the page and read it.
REFUSAL_SECONDS = 86400


@shared_task
def fill_space(space_id: int, tenant_id: int = 0, message_id: str = str(UUID(int=0))) -> None:
    """Make the jobs that a space lacks, after this place, as fast as they are done: new messages are not held up.

    Safe to run twice. Hands over to a fresh task while jobs wait, or after a while.
    """
    space = EmbeddingSpace.objects.filter(id=space_id).first()
    if space is None:
        return
    until = time.monotonic() + WORK_SECONDS
    for made in reembedding.fill(space, after=(tenant_id, UUID(message_id))):
        if time.monotonic() > until or EmbeddingJob.objects.filter(space=space).open().count() > QUEUE:
            place = (space_id, made.after[0], str(made.after[1]))
            fill_space.apply_async(place, countdown=WAIT_SECONDS, retry=False)
            return


@shared_task
def switch_space(space_id: int) -> bool:
    """Let searches read this space; False if it is gone or not complete, and then nothing has changed.

    `refusal` tells why, to whoever asked for it.
    """
    space = EmbeddingSpace.objects.filter(id=space_id).first()
    if space is None:
        return False
    try:
        reembedding.switch(space)
    except reembedding.CannotSwitch as error:
        reason = str(error)
        log.warning("space_not_switched", space=space_id, reason=reason)
        caching.with_redis(lambda redis: redis.set(_refusal_key(space_id), reason, ex=REFUSAL_SECONDS))
        return False
    return True


def ask_to_fill(space: EmbeddingSpace) -> bool:
    """Whether a worker could be asked to fill it."""
    return sending.sent(fill_space, space.id)


def ask_to_switch(space: EmbeddingSpace) -> bool:
    """Whether a worker could be asked to switch to it. What an earlier one said counts no more."""
    caching.with_redis(lambda redis: redis.delete(_refusal_key(space.id)))
    return sending.sent(switch_space, space.id)


def refusal(space_id: int) -> str:
    """Why the switch that was asked for last was not made; empty: it was, or no worker has looked yet."""
    found = caching.with_redis(lambda redis: redis.get(_refusal_key(space_id)))
    return found.decode() if found else ""


def _refusal_key(space_id: int) -> str:
    return caching.key_of(f"space-refusal:{space_id}")
