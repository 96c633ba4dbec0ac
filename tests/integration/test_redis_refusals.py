"""A Redis that answers and takes no writes: full, a replica, or one that would write only with replicas.

It is an outage to everybody who writes there. Each use asks for itself here: none is quiet because another has failed.
"""

from collections.abc import Callable
from types import MethodType

import pytest
from celery import Task
from prometheus_client import REGISTRY
from redis.exceptions import ResponseError

from memories import caching, recalls, tasks
from memories.embeddings import circuit_store
from tenants import shared_redis
from tests.answers import problem_of
from tests.fake_provider import FakeProvider

pytestmark = pytest.mark.django_db(transaction=True)

PATH, SEARCH, HEALTH = "/v1/messages", "/v1/memory/search", "/v1/admin/health"
HELLO = {"conversation_id": "conv-1", "role": "user", "content": "green tea"}
# What brings it about, and what ends it.
REFUSALS = {
    "OOM": (["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"]),
    "READONLY": (["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"]),
    "NOREPLICAS": (
        ["CONFIG", "SET", "min-replicas-to-write", "1"],
        ["CONFIG", "SET", "min-replicas-to-write", "0"],
    ),
}


@pytest.fixture(autouse=True)
def every_use_asks(monkeypatch, settings, acme) -> None:
    monkeypatch.setattr(shared_redis, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(circuit_store, "_alone", circuit_store._Alone())
    settings.ENV = settings.ENV.model_copy(update={"search_cache_seconds": 60})
    acme.reads_per_minute = acme.writes_per_minute = 100
    acme.save()


@pytest.fixture(params=REFUSALS)
def refuse(request, redis_client):
    """refuse(): from now on Redis takes no writes."""
    begin, end = REFUSALS[request.param]

    def now() -> None:
        redis_client.execute_command(*begin)
        with pytest.raises(ResponseError):
            redis_client.set("anything", 1)

    yield now
    redis_client.execute_command(*end)
    caching._missed.clear()


def found(bot) -> list[str]:
    answer = bot.get(SEARCH, query="tea")
    assert answer.status_code == 200, answer.content
    return [hit["content"] for hit in answer.json()["results"]]


def test_storing_and_finding_go_on_uncounted(bot, refuse: Callable[[], None]):
    bot.post(PATH, HELLO)
    found(bot)
    refuse()
    assert bot.post(PATH, HELLO | {"content": "black tea"}).status_code == 201
    answer = bot.get(PATH)
    assert (answer.status_code, "RateLimit" in answer) == (200, False)
    assert sorted(found(bot)) == ["black tea", "green tea"]
    assert tasks.drain() == 2
    assert recalls.flush() >= 0


def test_closed_means_refused(bot, refuse, settings):
    settings.ENV = settings.ENV.model_copy(update={"rate_limit_on_outage": "closed"})
    refuse()
    for answer in (bot.post(PATH, HELLO), bot.get(PATH)):
        assert problem_of(answer, 503)["type"].endswith("limits-unavailable")
        assert int(answer["Retry-After"]) > 0


def test_health_says_that_nothing_is_counted(operator, refuse):
    refuse()
    [part] = [each for each in operator.get(HEALTH).json()["parts"] if each["part"] == "rate_limits"]
    assert not part["ok"]


def test_a_hint_that_cannot_be_sent_is_a_lost_one(bot, refuse, monkeypatch):
    bot.post(PATH, HELLO)
    hint = tasks.embed_pending
    monkeypatch.setattr(hint, "apply_async", MethodType(Task.apply_async, hint))
    refuse()
    before = REGISTRY.get_sample_value("memory_embedding_hints_lost_total")
    tasks.sweep()
    assert REGISTRY.get_sample_value("memory_embedding_hints_lost_total") == before + 1


def test_the_breaker_counts_by_itself(bot, refuse, settings, httpserver):
    provider = FakeProvider(httpserver)
    settings.ENV = settings.ENV.model_copy(update=provider.settings(embedding_breaker_failures=1))
    bot.post(PATH, HELLO)
    refuse()
    provider.always = 500
    assert found(bot) == ["green tea"]
    asked = len(provider.calls)
    assert bot.get(SEARCH, query="another tea").json()["degraded"]
    assert len(provider.calls) == asked
