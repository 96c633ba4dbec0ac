"""Query vectors of remote providers are remembered in Redis: asked twice, paid once, and nobody else can tell."""

import struct
import time

import pytest
from django.core.cache import cache
from prometheus_client import REGISTRY
from redis import Redis

from memories import embeddings, search, spaces, tasks
from memories.embeddings import PROVIDERS, EmbeddingError, Fault, breaker, circuit_store, embed
from memories.embeddings.circuit import Circuit
from memories.models import EmbeddingSpace
from tenants import shared_redis
from tests.factories import remember

PATH = "/v1/memory/search"
SECRET = "where is the xylophone"


def counted(result: str) -> float:
    labels = {"result": result}
    return REGISTRY.get_sample_value("memory_query_embedding_cache_total", labels) or 0.0


@pytest.fixture
def calls(monkeypatch) -> list[str]:
    """The texts that search asks the provider for."""
    texts: list[str] = []

    def counting(asked, identity):
        texts.extend(asked)
        return embed(asked, identity)

    monkeypatch.setattr(search, "embed", counting)
    return texts


@pytest.fixture
def remote(monkeypatch) -> None:
    """The provider of the tests, as if its calls cost something."""
    monkeypatch.setitem(embeddings.PROVIDERS, "mock", PROVIDERS["mock"]._replace(remote=True))


def ask(api, query: str = SECRET):
    answer = api.get(PATH, query=query)
    assert answer.status_code == 200, answer.content
    assert answer.json()["degraded"] is False
    return [(hit["content"], hit["score"]) for hit in answer.json()["results"]]


@pytest.fixture
def lamps(acme) -> None:
    remember(acme, "the xylophone is in the cellar", "a lamp", "the cellar is dark")
    tasks.drain()


def test_it_works(bot, lamps, remote, calls):
    hits, misses = counted("hit"), counted("miss")
    first = ask(bot)
    again = ask(bot)
    assert calls == [SECRET]
    assert [text for text, _ in again] == [text for text, _ in first]
    assert [score for _, score in again] == pytest.approx([score for _, score in first], abs=1e-6)
    assert (counted("hit") - hits, counted("miss") - misses) == (1, 1)


def test_another_text_is_another_vector(bot, lamps, remote, calls):
    for text in (SECRET, SECRET.upper(), SECRET + " ", "a lamp"):
        ask(bot, text)
    assert len(calls) == 4


def test_another_space_is_another_vector(bot, remote, calls):
    ask(bot)
    for change in ({"model": "hashed-words-2"}, {"dimensions": 64}):
        EmbeddingSpace.objects.update(**change)
        spaces.forget_active_space()
        ask(bot)
    assert len(calls) == 3


def test_only_calls_that_cost_something_are_saved():
    assert {"openai", "azure_openai", "openai_compatible"} == {
        name for name, row in PROVIDERS.items() if row.remote
    }


def test_offline_nothing_is_remembered(bot, lamps, calls):
    before = counted("hit"), counted("miss")
    ask(bot)
    ask(bot)
    assert len(calls) == 2
    assert not cache._cache.get_client().keys("*query-vector*")
    assert (counted("hit"), counted("miss")) == before


def test_another_tenants_question_is_asked_anew(bot, outsider, lamps, remote, calls):
    """A fast answer would tell the outsider that acme asked this."""
    ask(bot)
    ask(outsider)
    assert len(calls) == 2


def test_redis_holds_a_digest_and_packed_floats_for_a_day(bot, lamps, remote, calls):
    ask(bot)
    redis = cache._cache.get_client()
    [key] = redis.keys("*query-vector*")
    assert b"xylophone" not in key + redis.get(key)
    assert 86_000 < redis.ttl(key) <= 24 * 60 * 60
    packed = cache.get(key.decode().split(":", 2)[2])
    assert struct.unpack("<256f", packed) == pytest.approx(embed([SECRET])[0], abs=1e-6)


@pytest.mark.parametrize("stored", [b"", b"x" * 1023, "text", 7, [0.0] * 256])
def test_what_is_no_vector_is_overwritten(bot, lamps, remote, calls, stored):
    ask(bot)
    [key] = cache._cache.get_client().keys("*query-vector*")
    cache.set(key.decode().split(":", 2)[2], stored)
    ask(bot)
    ask(bot)
    assert len(calls) == 2


def test_while_all_is_well_redis_is_asked_twice(bot, lamps, remote, calls, monkeypatch):
    """The look at the vector is the look at the breaker too; then the vector is kept."""
    ask(bot, "a lamp")
    asked: list[str] = []

    def recording(client, *words, **options):
        asked.append(words[0])
        return ask_redis(client, *words, **options)

    ask_redis = Redis.execute_command
    monkeypatch.setattr(Redis, "execute_command", recording)
    monkeypatch.setattr(circuit_store, "_in_redis", lambda *_: pytest.fail("looked at the breaker again"))
    ask(bot)
    assert [word for word in asked if word in ("MGET", "SET")] == ["MGET", "SET"]


def test_a_breaker_that_is_open_is_seen_beside_the_vector(bot, lamps, remote, calls, settings):
    def fail(circuit, now):
        return circuit.failed(EmbeddingError("down", fault=Fault.SETUP), now, threshold=1, interval_seconds=9)

    ask(bot)
    circuit_store.change(breaker._name(embeddings.configured()), fail)
    ask(bot)  # remembered
    answer = bot.get(PATH, query="another").json()
    assert answer["degraded"] is True
    assert "left alone" in answer["degraded_reason"]


def test_a_process_that_goes_by_its_own_breaker_goes_on_so(bot, lamps, remote, calls, monkeypatch):
    """Redis may come back while this process leaves it alone: its own circuit still holds."""
    own = circuit_store._Alone(quiet_until=time.monotonic() + 60)
    monkeypatch.setattr(circuit_store, "_alone", own)
    own.circuits[breaker._name(embeddings.configured())] = Circuit(5, time.time() + 60, "provider", "down")
    assert bot.get(PATH, query="another").json()["degraded"] is True


def test_without_redis_the_provider_is_asked(bot, lamps, remote, calls, settings, tmp_path):
    url = f"unix://{tmp_path}/closed.sock?db=0"
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": [url]}}
    ask(bot)
    shared_redis.forget_outage()
    ask(bot)
    assert len(calls) == 2


def test_an_outage_is_not_remembered_and_a_remembered_query_outlives_it(bot, lamps, remote, monkeypatch):
    ask(bot)

    def refuse(texts, identity):
        raise EmbeddingError("down", fault=Fault.PROVIDER)

    monkeypatch.setattr(search, "embed", refuse)
    ask(bot)
    assert bot.get(PATH, query="another").json()["degraded"] is True
    monkeypatch.undo()
    monkeypatch.setitem(embeddings.PROVIDERS, "mock", PROVIDERS["mock"]._replace(remote=True))
    ask(bot, "another")
