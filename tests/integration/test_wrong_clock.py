"""A clock that was ahead and is put back: what was to happen by it does not wait until it is right again."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F
from django_celery_beat.models import PeriodicTask

from memories import jobs, tasks
from memories.models import EmbeddingJob, MessageEmbedding
from memory_layer.beat import Scheduler
from memory_layer.celery import app
from tests.factories import remember

DAY = timedelta(days=1)


def test_a_job_that_waits_for_a_moment_of_the_wrong_clock_is_done(acme, hints):
    remember(acme, "green tea")
    EmbeddingJob.objects.update(next_attempt_at=F("next_attempt_at") + DAY)
    assert jobs.run_batch() == 0
    hints.clear()
    tasks.sweep()
    assert len(hints) == 1
    assert jobs.run_batch() == 1
    assert MessageEmbedding.objects.count() == 1


def test_a_wait_that_jobs_do_have_is_left_alone(acme):
    remember(acme, "green tea")
    EmbeddingJob.objects.update(next_attempt_at=F("next_attempt_at") + timedelta(seconds=290))
    assert jobs.pull_in() == 0
    assert jobs.run_batch() == 0


def beat() -> Scheduler:
    """Without its last write, which would come when the tables are gone."""
    scheduler = Scheduler(app=app)
    scheduler._finalize.cancel()
    return scheduler


@pytest.mark.django_db(transaction=True)  # beat closes and opens its connection
@pytest.mark.parametrize("restarted", [False, True])
def test_beat_goes_on(restarted, monkeypatch):
    sent: list[str] = []
    monkeypatch.setattr(Scheduler, "apply_async", lambda self, entry, **_: sent.append(entry.task))
    scheduler, now = beat(), datetime.now(UTC)
    PeriodicTask.objects.update(last_run_at=now + DAY)
    for entry in scheduler.schedule.values():
        entry.last_run_at = entry.model.last_run_at = now + DAY
    if restarted:
        scheduler = beat()
    scheduler.tick()
    assert "memories.tasks.sweep" not in sent
    # A quarter of a minute later.
    for entry in scheduler.schedule.values():
        entry.last_run_at -= timedelta(seconds=16)
    scheduler._heap = None
    while not scheduler.tick():
        pass
    assert "memories.tasks.sweep" in sent
