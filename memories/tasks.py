"""Celery shells and the hint. The job row is the truth; losing every task here loses nothing."""

import time
from dataclasses import dataclass

from celery import shared_task
from django.conf import settings

from memories import caching, jobs, lexicon, metrics, recall, recalls, reindexing, training
from memories.models import EmbeddingSpace
from tenants import sending, spans

# Below the soft time limit: a task that has worked this long hands over to a fresh one.
WORK_SECONDS = 60.0
# An idle task stays this long for more to come, asking so often: a task for each message would cost more than the
# embedding.
LINGER_SECONDS = 1.0
POLL_SECONDS = 0.05
# Who has found a worker awake does not ask again for so long: it takes the message that was asked for, and lingers.
AWAKE_SECONDS = LINGER_SECONDS / 2
# So does a batch (2.3 ms of CPU, whatever is in it): what comes while one is embedded and within so long after it is in
# the next. Under a stream of single messages that saves a fifth of their whole cost; one that comes alone is embedded
# at once.
PAUSE_SECONDS = 0.1
# So long one look after codebooks, recall or languages takes: embedding waits behind it where there is one worker.
UPKEEP_SECONDS = 20.0


@shared_task
def embed_pending() -> int:
    """Embed everything that is due, and what comes while it lingers; how many jobs were taken.

    Safe to run twice, and beside others. While it runs it holds the hint, so that nobody sends another; what was
    stored between its last look and its letting go is seen by the look after that. One whose time is over before it has
    lingered has a successor in any case: there may be those who count on it (`hint`).
    """
    until = time.monotonic() + WORK_SECONDS
    try:
        taken = _embed_for_a_while(until)
    finally:
        # Of a task that fails too, for the database is away: else nobody would be woken before the hint's time is over.
        caching.drop_hint()
    if time.monotonic() >= until or jobs.workable():
        _wake()
    return taken


def _embed_for_a_while(until: float) -> int:
    idle_since = time.monotonic()
    taken, called = 0, False
    while idle_since + LINGER_SECONDS > time.monotonic() and until > time.monotonic():
        caching.hold_hint()
        caching.record_pulse(time.time())
        if batch := jobs.run_batch():
            taken, idle_since = taken + batch, time.monotonic()
            called = called or _call_another(batch)
            if batch < settings.ENV.embedding_batch_size:
                time.sleep(PAUSE_SECONDS)
        elif not lexicon.fold():
            time.sleep(POLL_SECONDS)
    lexicon.fold_all()
    return taken


@shared_task
def sweep() -> None:
    """On beat: picks up what a lost hint or a dead worker left, and is the pulse that health reads.

    It asks nobody's leave: a hint that nobody will ever take back must not hold it up.
    """
    caching.record_pulse(time.time())
    jobs.pull_in()
    if jobs.workable():
        _hinted()
    lexicon.fold_all()


@shared_task
def take_over() -> None:
    """Sent by a worker that begins to take tasks: it does not wait for the sweep to find what was left.

    A dead one's hint still tells everybody that a worker is awake, for HINT_SECONDS; if others are, one hint more costs
    little. What was stored while Redis was away had no hint. What a dead one had claimed waits for the end of its
    lease, because it may live.
    """
    caching.drop_hint()
    sweep()


@shared_task
def reindex() -> int:
    """On beat: index anew what is in another language than its tenant's; how many messages. What is left comes next."""
    return reindexing.reindex(seconds=UPKEEP_SECONDS)


@shared_task
def train_codebooks() -> None:
    """On beat: large tenants get their buckets, a bit at a time. Safe to run twice: the second finds the lock taken."""
    until = time.monotonic() + UPKEEP_SECONDS
    for space in EmbeddingSpace.objects.filter(active=True):
        for tenant_id in training.due_tenants(space):
            if (seconds := until - time.monotonic()) <= 0:
                return
            training.tend(tenant_id, space=space, seconds=seconds)


@shared_task
def measure_recall() -> None:
    """On beat: what the buckets of each large tenant find, once a day, for the metric."""
    until = time.monotonic() + UPKEEP_SECONDS
    for space in EmbeddingSpace.objects.filter(active=True):
        for tenant_id in recall.due_tenants(space):
            if time.monotonic() > until:
                return
            recall.check(tenant_id, space=space)


@shared_task
def flush_recalls() -> int:
    """On beat: what was recalled goes from Redis to the database; how many messages."""
    return recalls.flush()


def drain() -> int:
    """Run batches until nothing is due, and count the terms; how many jobs were taken."""
    taken = 0
    while batch := jobs.run_batch():
        taken += batch
    lexicon.fold_all()
    return taken


@dataclass
class _Awake:
    """Until when a worker surely is, for this process (monotonic seconds). A lost update only asks once too often."""

    until: float = 0.0


_awake = _Awake()


def hint() -> None:
    """Wake a worker, unless one is awake; call it when what is to be embedded is committed.

    Never raises: what it misses, the sweeper finds. Under a stream of messages Redis is asked twice a second.
    """
    if time.monotonic() >= _awake.until:
        _wake()
    else:
        _note_trace()


def forget_awake() -> None:
    """Ask again at once."""
    _awake.until = 0.0


def _wake() -> None:
    asked = time.monotonic()
    first = caching.first_hint()
    if first and not _hinted():
        caching.drop_hint()
        return
    if first is False:
        _note_trace()
    if first is not None:
        _awake.until = asked + AWAKE_SECONDS


def _note_trace() -> None:
    if here := spans.here():
        caching.note_trace(here)


def _call_another(batch: int) -> bool:
    """A full batch means there may be more than one process can do: whether another was called in."""
    if batch < settings.ENV.embedding_batch_size:
        return False
    _hinted()
    return True


def _hinted() -> bool:
    """Whether a worker was told that there is something to embed."""
    if sending.sent(embed_pending):
        return True
    metrics.HINTS_LOST.inc()
    return False
