"""manage.py doctor: things are broken on purpose, and it says which, and what mends them."""

from types import SimpleNamespace
from unittest import mock

import pytest
from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from pydantic import SecretStr

from memories import caching, spaces
from memories.models import EmbeddingJob, EmbeddingSpace, VectorRecall
from memory_layer import health
from memory_layer.doctor import machine, parts
from tests.doctor import PRODUCTION, all_is_well, ask, found
from tests.factories import remember
from tests.fake_provider import FakeProvider


@pytest.fixture
def well(db):
    all_is_well()


def test_all_is_well(well, acme):
    remember(acme, "hello")
    assert found("error") == found("warning") == []
    code, text = ask()
    assert code == 0
    assert "0 wrong, 0 to be looked at" in text
    for seen in ("PostgreSQL 1", "UTF8", "Redis", "mock/hashed-words", "memory is", "web threads"):
        assert seen in text


def test_secrets_are_hidden(well, configure, settings):
    given = {
        "database_url": "postgresql://me:sesame@/memory?password=sesame",
        "redis_url": settings.ENV.redis_url,
        "api_keys": [SecretStr("sesame-of-the-operator")],
        "openai_api_key": SecretStr("sk-sesame"),
        "embedding_base_url": "https://me:sesame@models.example.com/v1",
    }
    configure(**given)
    _, text = ask()
    assert "sesame" not in text
    assert "MEMORY_EMBEDDING_BASE_URL=https://me:***@models.example.com/v1" in text
    assert "OPENAI_API_KEY=***" in text


def test_nothing_answers(well, configure, tmp_path):
    configure(redis_url=f"unix://{tmp_path}/closed.sock?db=0")
    with mock.patch.object(BaseDatabaseWrapper, "cursor", side_effect=DatabaseError("away")):
        code, text = ask()
    assert code == 1
    for area in ("database", "redis", "server", "spaces"):
        assert f"WRONG {area:<13}" in text
    assert "ok    provider" in text
    assert "ok    disk" in text


def test_before_the_migrations(well, monkeypatch):
    monkeypatch.setattr(health, "_migrated", False)
    monkeypatch.setattr(health.MigrationExecutor, "migration_plan", lambda *_: ["one"])
    assert ("database", "Run `manage.py migrate`.") in [(area, says) for area, says, _ in found("error")]


@pytest.mark.parametrize(
    ("order", "mend"), [(401, "key, model, dimensions"), (500, "is up"), (400, "refuses a harmless word")]
)
def test_a_provider_that_gives_no_vector(well, configure, httpserver, order, mend):
    provider = FakeProvider(httpserver)
    provider.always = order
    configure(**provider.settings())
    [(_, says, mended)] = [each for each in found("error") if each[0] == "provider"]
    assert "openai/made-up (8) gave no vector" in says
    assert mend in mended


def test_the_stand_in_is_asked_too(well, configure, httpserver):
    provider = FakeProvider(httpserver)
    configure(**provider.settings(embedding_failover="azure_openai"))
    assert found("error") == []
    assert len([path for path in provider.paths if "deployments" in path]) == 1


def test_what_mends_each_part_is_known():
    assert set(parts.MENDS) == set(health.PARTS)


def silence_the_worker() -> None:
    caching.cache.clear()


def silence_beat() -> None:
    PeriodicTask.objects.update(last_run_at=None)


def make_jobs_late(acme) -> None:
    remember(acme, "one")
    EmbeddingJob.objects.update(created_at=timezone.now() - timezone.timedelta(seconds=301))


@pytest.mark.parametrize(("area", "harm"), [("worker", silence_the_worker), ("beat", silence_beat)])
def test_a_process_that_is_silent(well, area, harm):
    harm()
    assert [(each, "Start `celery" in mend) for each, _, mend in found("error")] == [(area, True)]


def test_jobs_that_wait(well, acme):
    make_jobs_late(acme)
    assert [area for area, *_ in found("error")] == ["jobs"]


def test_texts_that_were_given_up_and_spaces_nobody_searches(well, acme):
    remember(acme, "one", "two")
    EmbeddingJob.objects.update(buried_at=timezone.now(), last_error="BadRequestError (HTTP 400)")
    other = EmbeddingSpace.objects.create(provider="mock", model="older", dimensions=8)
    warnings = {area: (says, mend) for area, says, mend in found("warning")}
    assert warnings["buried"][0] == "2 messages have no vector: BadRequestError (HTTP 400)."
    assert "replay_jobs" in warnings["buried"][1]
    assert f"manage.py drop_space {other.id}" in warnings["spaces"][1]


def test_vectors_of_another_model_than_the_settings_ask_for(well, acme, configure):
    remember(acme, "hello")
    configure(embedding_model="other")
    assert ["memories.W002" in says for area, says, _ in found("warning")] == [True]


def test_buckets_that_find_too_little(well, acme):
    VectorRecall.objects.create(tenant=acme, space=spaces.active_space(), recall=0.5, k=10, queries=100)
    [(area, says, mend)] = found("warning")
    assert (area, "50%" in says, "MEMORY_PROBES" in mend) == ("recall", True, True)


def test_production_is_looked_at_more_closely(well, configure, settings):
    configure(**PRODUCTION)
    settings.SECURE_SSL_REDIRECT = settings.SESSION_COOKIE_SECURE = False
    said = {says.rpartition("(")[2] for area, says, _ in found("warning") if area == "checks"}
    assert {"security.W008)", "security.W010)"} <= said
    configure(allowed_hosts=["localhost"], trusted_proxies=0)
    assert "hosts" in [area for area, *_ in found("error")]
    assert "hosts" in [area for area, *_ in found("warning")]


def test_static_files_that_were_not_collected(well, settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    assert [(area, mend) for area, _, mend in found("error")] == [
        ("static files", "Run `manage.py collectstatic`.")
    ]
    (tmp_path / "staticfiles.json").write_text("{}")
    assert found("error") == []


@pytest.mark.parametrize(("free", "level"), [(10**8, "error"), (10**9, "warning")])
def test_a_disk_that_is_full(well, monkeypatch, free, level):
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert [area for area, *_ in found(level)] == ["disk"]


def test_files_of_metrics(well, monkeypatch, tmp_path):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "gone"))
    assert [area for area, *_ in found("error")] == ["metrics"]
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setattr(machine, "MANY_FILES", 1)
    for name in ("counter_1.db", "counter_2.db"):
        (tmp_path / name).touch()
    assert [area for area, *_ in found("warning")] == ["metrics"]
