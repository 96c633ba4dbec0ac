"""Embedding goes on at once after a worker, Redis or PostgreSQL was away: nothing waits for a hint that never comes."""

from types import SimpleNamespace

import pytest
from django.db import OperationalError
from redis.exceptions import RedisError

from memories import caching, jobs, leases, tasks
from memories.models import EmbeddingJob, MessageEmbedding
from memory_layer.celery import LooksForWork, app
from tests.factories import remember


def raising(error: type[Exception]):
    def call(*_: object, **__: object):
        raise error

    return call


def test_what_was_claimed_when_the_database_went_away_is_given_back_at_once(acme, monkeypatch):
    """Its process lives, and knows that nobody works at it."""
    remember(acme, "one")
    with monkeypatch.context() as away:
        away.setattr(leases, "finish", raising(OperationalError))
        with pytest.raises(OperationalError):
            jobs.run_batch()
    assert not EmbeddingJob.objects.due().exists()
    assert jobs.run_batch() == 1
    assert MessageEmbedding.objects.count() == 1
    assert leases._abandoned == []


def test_a_worker_that_starts_looks_for_what_a_dead_one_left(acme, hints, monkeypatch):
    """The dead one's hint says for seconds that a worker is awake, and its own task comes back after minutes."""
    assert LooksForWork in app.steps["consumer"]
    caching.hold_hint()
    remember(acme, "one")
    assert hints == []
    sent = []
    monkeypatch.setattr(app, "send_task", lambda name, **_: sent.append(app.tasks[name]))
    LooksForWork(None).start(SimpleNamespace(app=app))
    [task] = sent
    task()
    assert len(hints) == 1
    assert caching.first_hint(), "the next message need not wait for the sweep either"


def test_a_task_that_fails_lets_others_be_woken(acme, hints, monkeypatch):
    remember(acme, "one")
    monkeypatch.setattr(jobs, "run_batch", raising(OperationalError))
    with pytest.raises(OperationalError):
        tasks.embed_pending()
    assert caching.first_hint()


def test_a_hint_that_could_not_be_sent_does_not_hold_the_next_back(acme, monkeypatch):
    monkeypatch.setattr(tasks.embed_pending, "apply_async", raising(RedisError))
    tasks.hint()
    assert caching.first_hint()
