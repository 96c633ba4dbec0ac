"""Who is over its limit is told so again from memory: the same answer, still exact, and only to the same caller."""

from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from django.core.cache import cache
from prometheus_client import REGISTRY

from memory_layer.web import repeats
from tenants import refusals
from tenants.lifecycle import create_key
from tests.conftest import Api

LIST, STORE, SEARCH = "/v1/messages", "/v1/messages", "/v1/memory/search"
HELLO = {"conversation_id": "c", "role": "user", "content": "hello"}


@pytest.fixture(autouse=True)
def limited(acme):
    acme.reads_per_minute = acme.writes_per_minute = 1
    acme.save()


@pytest.fixture
def later(monkeypatch):
    """later(5): for what is remembered, so many seconds later."""

    def shift(seconds: float) -> None:
        now = refusals.monotonic
        monkeypatch.setattr(refusals, "monotonic", lambda: now() + seconds)

    return shift


def refused(answer, path: str):
    """What the web server does with an answer that Django gave."""
    assert answer.status_code == 429
    repeats.keep(answer, [(name, str(value)) for name, value in answer.items()], path)
    return answer


def asking(key: str, path: str = LIST, method: str = "GET", **query: str) -> SimpleNamespace:
    return SimpleNamespace(
        method=method, path=path, query_string=urlencode(query), headers={"x-api-key": key}
    )


def is_refused(*args: str, **query: str) -> bool:
    return repeats.refusal_of(asking(*args, **query)) is not None


@pytest.fixture
def over(bot):
    """Acme's bot has read, and been refused."""
    bot.get(LIST)
    return refused(bot.get(LIST), LIST)


def test_it_works(bot, over):
    scope = asking(bot.key)
    scope.headers["x-request-id"] = "mine-1"
    before = REGISTRY.get_sample_value("memory_rate_limit_refusals_total", {"budget": "reads"})
    status, headers, body = repeats.again(repeats.refusal_of(scope), scope)
    said, first = {name.lower(): value for name, value in headers}, {k.lower(): v for k, v in over.items()}
    assert status == 429
    assert said.keys() == first.keys()
    differing = {name for name in first if said[name] != first[name]}
    assert differing <= {"x-request-id", "ratelimit", "retry-after", "content-length"}
    assert said["ratelimit"].startswith('"tenant-reads";r=0;t=')
    assert abs(int(said["retry-after"]) - int(first["retry-after"])) <= 1
    assert body.decode() == over.content.decode().replace(over["X-Request-ID"], "mine-1")
    assert int(said["content-length"]) == len(body)
    after = REGISTRY.get_sample_value("memory_rate_limit_refusals_total", {"budget": "reads"})
    assert after == before + 1


def test_a_request_id_cannot_write_into_the_body(bot, over):
    scope = asking(bot.key)
    scope.headers["x-request-id"] = 'x","detail":"y'
    body = repeats.again(repeats.refusal_of(scope), scope)[2]
    assert b'"request_id":"x\\",\\"detail\\":\\"y"' in body


def test_redis_is_not_asked(bot, over):
    cache.clear()
    assert is_refused(bot.key)


def test_all_reads_of_the_key_are_refused_and_nothing_else(bot, reader, over):
    assert is_refused(bot.key, f"{LIST}/01932c07-2f1c-7c3e-8f00-000000000001")
    assert not is_refused(bot.key, STORE, "POST")
    assert not is_refused(reader.key), "it is counted first, and refused by Redis"
    assert not is_refused(bot.key + "x")
    assert not is_refused(bot.key, "/openapi.json")
    assert repeats.refusal_of(SimpleNamespace(method="GET", path=LIST, query_string="", headers={})) is None


def test_a_search_by_body_and_a_write_are_refused_each_for_itself(bot):
    bot.post(STORE, HELLO)
    refused(bot.post(STORE, HELLO), STORE)
    assert is_refused(bot.key, STORE, "POST")
    assert not is_refused(bot.key, SEARCH, "POST")
    bot.post(SEARCH, {"query": "tea"})
    refused(bot.post(SEARCH, {"query": "tea"}), SEARCH)
    assert is_refused(bot.key, SEARCH, "POST")


def test_batches_and_messages_with_context_are_counted_each_time(bot, acme):
    bot.post(STORE, HELLO)
    refused(bot.post(f"{STORE}/batch", {"messages": [HELLO]}), f"{STORE}/batch")
    refused(bot.post(STORE, HELLO | {"return_context": True}), STORE)
    assert refusals.is_empty()


def test_it_ends_when_a_unit_has_grown_back(bot, acme, later):
    acme.reads_per_minute = 30
    acme.burst_seconds = 2
    acme.save()
    bot.get(LIST)
    refused(bot.get(LIST), LIST)
    assert is_refused(bot.key)
    later(2)
    assert not is_refused(bot.key)
    assert refusals.is_empty()


def test_after_five_seconds_redis_is_asked_again(bot, over, later):
    later(4.5)
    assert is_refused(bot.key)
    later(0.5)
    assert not is_refused(bot.key)


def test_a_raised_limit_counts_at_once(bot, acme, over):
    acme.reads_per_minute = 1000
    acme.save()
    assert not is_refused(bot.key)


def test_a_key_that_is_bound_to_addresses_stays_unknown_elsewhere(acme):
    plain = create_key(tenant=acme, scopes=["read"], allowed_networks=["127.0.0.0/8"])[1]
    bound = Api(plain)
    bound.get(LIST)
    refused(bound.get(LIST), LIST)
    assert refusals.is_empty()


def test_an_operator_is_refused_for_the_tenant_that_it_names(operator, globex):
    operator.get(LIST, tenant_id="acme")
    refused(operator.get(LIST, tenant_id="acme"), LIST)
    assert is_refused(operator.key, LIST, tenant_id="acme")
    assert not is_refused(operator.key, LIST, tenant_id="globex")
    assert not is_refused(operator.key, LIST)
    assert not is_refused(operator.key, SEARCH, tenant_id="acme"), "each operation for itself"
    operator.post(STORE, HELLO | {"tenant_id": "acme"})
    refused(operator.post(STORE, HELLO | {"tenant_id": "acme"}), STORE)
    assert not is_refused(operator.key, STORE, "POST"), "its tenant is in the body"


def test_the_refused_are_told_in_one_line(bot, over, caplog):
    scope = asking(bot.key)
    refusal = repeats.refusal_of(scope)
    for _ in range(3):
        repeats.again(refusal, scope)
    with caplog.at_level("INFO"):
        repeats.tell(refusal)
    assert "refused_again" in caplog.text
    assert "'count': 3" in caplog.text


def test_many_callers_do_not_fill_the_memory(bot, over, monkeypatch):
    monkeypatch.setattr(refusals, "SIZE", 3)
    [refusal] = refusals._held[next(iter(refusals._held))].values()
    for number in range(10):
        refusal.door = refusals.Door(bytes([number]), "GET")
        refusals.hold(refusal)
    assert len(refusals._held) <= 3
