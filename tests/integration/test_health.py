"""Liveness, readiness, the operator's health page and metrics."""

import time
from unittest import mock

import pytest
from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from prometheus_client.parser import text_string_to_metric_families

from memories import caching
from memories.models import EmbeddingJob
from memory_layer import health
from tenants import shared_redis
from tests.answers import problem_of
from tests.factories import remember

HELLO = {"conversation_id": "conv-1", "role": "user", "content": "hello"}
PAGE = "/v1/admin/health"


@pytest.fixture
def pulse(db):
    """A worker and a beat that are alive."""
    caching.record_pulse(time.time())
    every = IntervalSchedule.objects.create(every=15, period=IntervalSchedule.SECONDS)
    return PeriodicTask.objects.create(
        name="sweep", task="memories.tasks.sweep", interval=every, last_run_at=timezone.now()
    )


@pytest.fixture
def no_redis(monkeypatch, settings, tmp_path):
    """Nobody listens at Redis's address, for the health page and for the cache."""
    url = f"unix://{tmp_path}/closed.sock?db=0"
    settings.ENV = settings.ENV.model_copy(update={"redis_url": url})
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": [url]}}


def parts(answer) -> dict:
    return {part["part"]: part for part in answer.json()["parts"]}


def test_live_asks_nobody(stranger, no_redis, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = stranger.get("/health/live")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_ready_with_a_database_that_is_migrated(stranger):
    answer = stranger.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"


def test_not_ready_without_a_database(stranger):
    away = DatabaseError("password=secret")
    with mock.patch.object(BaseDatabaseWrapper, "cursor", side_effect=away):
        answer = stranger.get("/health/ready")
    assert answer.status_code == 503
    assert answer["Retry-After"] == "2"
    assert answer.json()["status"] == "unavailable"
    assert "secret" not in answer.content.decode()


def test_not_ready_before_the_migrations(stranger, monkeypatch):
    monkeypatch.setattr(health, "_migrated", False)
    monkeypatch.setattr(health.MigrationExecutor, "migration_plan", lambda *_: ["one"])
    answer = stranger.get("/health/ready")
    assert answer.status_code == 503
    assert "migrate" in answer.json()["detail"]
    monkeypatch.undo()
    assert stranger.get("/health/ready").status_code == 200


def test_all_is_well(operator, pulse):
    answer = operator.get(PAGE)
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    rows = parts(answer)
    assert list(rows) == [
        "database",
        "pgvector",
        "redis",
        "rate_limits",
        "worker",
        "beat",
        "provider",
        "jobs",
    ]
    assert all(row["ok"] for row in rows.values())
    assert rows["provider"]["provider"] == "mock"
    assert rows["jobs"]["backlog"] == 0


@pytest.mark.parametrize(("part", "age"), [("worker", 60), ("beat", 60), ("worker", None), ("beat", None)])
def test_a_part_that_is_silent_is_said(operator, pulse, part, age):
    if part == "worker":
        caching.cache.clear()
        if age:
            caching.record_pulse(time.time() - age)
    else:
        last = timezone.now() - timezone.timedelta(seconds=age) if age else None
        PeriodicTask.objects.filter(pk=pulse.pk).update(last_run_at=last)
    answer = operator.get(PAGE)
    assert answer.status_code == 503
    assert [name for name, row in parts(answer).items() if not row["ok"]] == [part]
    assert parts(answer)[part]["last_seen_seconds"] == (pytest.approx(age, abs=2) if age else None)


def test_jobs_that_wait_too_long_are_said(operator, pulse, acme):
    remember(acme, "one", "two")
    EmbeddingJob.objects.update(created_at=timezone.now() - timezone.timedelta(seconds=301))
    answer = operator.get(PAGE)
    assert answer.status_code == 503
    row = parts(answer)["jobs"]
    assert (row["ok"], row["backlog"]) == (False, 2)
    assert row["oldest_age_seconds"] == pytest.approx(301, abs=2)


def test_a_provider_without_its_key_is_said_with_what_mends_it(operator, pulse, settings):
    settings.ENV = settings.ENV.model_copy(update={"embedding_provider": "openai"})
    answer = operator.get(PAGE)
    assert answer.status_code == 503
    assert "Set OPENAI_API_KEY" in parts(answer)["provider"]["detail"]


def test_a_database_that_fails_later_is_said(operator, pulse, monkeypatch):
    def refuse():
        raise DatabaseError("password=secret")

    monkeypatch.setitem(health.PARTS, "pgvector", refuse)
    answer = operator.get(PAGE)
    assert answer.status_code == 503
    assert "does not answer" in parts(answer)["pgvector"]["detail"]
    assert "secret" not in answer.content.decode()


def test_redis_down_is_said_and_nothing_else_fails(operator, bot, pulse, no_redis, settings):
    settings.ENV = settings.ENV.model_copy(update={"search_cache_seconds": 60})
    assert bot.post("/v1/messages", HELLO).status_code == 201
    assert len(bot.get("/v1/messages").json()["messages"]) == 1
    assert len(bot.get("/v1/memory/search", query="hello").json()["results"]) == 1
    assert shared_redis.is_quiet()
    assert operator.get("/health/ready").status_code == 200
    answer = operator.get(PAGE)
    assert answer.status_code == 503
    rows = parts(answer)
    assert "Redis does not answer" in rows["redis"]["detail"]
    assert rows["database"]["ok"]


def test_health_and_metrics_are_for_the_operator(bot, outsider, stranger):
    for path in (PAGE, "/metrics"):
        problem_of(bot.get(path), 403)
        problem_of(stranger.get(path), 401)


def metrics(api) -> dict[str, float]:
    answer = api.get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.content.decode())
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_metrics_count_messages_and_jobs(operator, bot, acme, django_capture_on_commit_callbacks):
    before = metrics(operator)["memory_messages_ingested_total"]
    with django_capture_on_commit_callbacks(execute=True):
        bot.post("/v1/messages/batch", {"messages": [HELLO, HELLO]})
    EmbeddingJob.objects.filter(pk=EmbeddingJob.objects.first().pk).update(buried_at=timezone.now())
    after = metrics(operator)
    assert after["memory_messages_ingested_total"] == before + 2
    assert after["memory_jobs_backlog"] == 1
    assert after["memory_jobs_buried"] == 1
    assert after["memory_jobs_oldest_age_seconds"] >= 0


def test_metrics_count_answers_by_view_and_status(operator, bot):
    bot.get("/v1/memory/search", query="tea")
    bot.get("/v1/memory/search")
    text = operator.get("/metrics").content.decode()
    for status in (200, 400):
        labels = f'method="GET",status="{status}",view="search"'
        assert f"django_http_responses_total_by_status_view_method_total{{{labels}}}" in text
    assert 'django_http_requests_latency_seconds_by_view_method_count{method="GET",view="search"}' in text
    assert "before_middlewares" not in text


def test_metrics_never_label_by_what_clients_choose(operator, bot):
    bot.post("/v1/messages", HELLO | {"conversation_id": "xylophone-7391"})
    bot.get("/v1/messages", conversation_id="xylophone-7391")
    bot.get("/xylophone-7391")
    text = operator.get("/metrics").content.decode()
    assert "xylophone" not in text
    assert "acme" not in text
