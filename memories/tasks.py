"""Celery shells and the hint. The job row is the truth; losing every task here loses nothing."""

import time

import structlog
from celery import shared_task
from django.conf import settings
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from memories import caching, jobs, metrics
from memories.models import EmbeddingJob

log = structlog.get_logger(__name__)

# Below the soft time limit: a task that has worked this long hands over to a fresh one.
DRAIN_SECONDS = 60.0


@shared_task
def embed_pending() -> int:
    """Embed everything that is due; how many jobs were taken. Safe to run twice, and beside others."""
    caching.hint_taken()
    caching.record_pulse(time.time())
    return drain()


@shared_task
def sweep() -> None:
    """On beat: picks up what a lost hint or a dead worker left, and is the pulse that health reads."""
    caching.record_pulse(time.time())
    if EmbeddingJob.objects.due().exists():
        hint()


def drain() -> int:
    """Run batches until nothing is due; how many jobs were taken.

    A full batch means there may be more than one process can do, so it calls another one in.
    """
    taken, started = 0, time.monotonic()
    while (batch := jobs.run_batch()) and time.monotonic() - started < DRAIN_SECONDS:
        taken += batch
        if batch == settings.ENV.embedding_batch_size:
            hint()
    return taken + batch


def hint() -> None:
    """Wake a worker, unless one is being woken. Never raises: what it misses, the sweeper finds."""
    if not caching.first_hint():
        return
    try:
        embed_pending.apply_async(retry=False)
    except (OperationalError, RedisError) as error:
        metrics.HINTS_LOST.inc()
        log.warning("embedding_hint_lost", error=type(error).__name__)
