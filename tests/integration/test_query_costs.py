"""What searches paid their provider: noted in the process, on the account a second later."""

import threading

import pytest
from django.db import connection
from prometheus_client import REGISTRY

from memories import query_costs
from memories.later import Later
from memories.models import EmbeddingSpace, EmbeddingUsage
from tenants import isolation
from tests.fake_provider import FakeProvider
from tests.integration.test_read_only_database import read_only

SEARCH = "/v1/memory/search"


@pytest.fixture(autouse=True)
def fake(httpserver, settings):
    fake = FakeProvider(httpserver)
    settings.ENV = settings.ENV.model_copy(update=fake.settings())
    yield fake
    fake.released.set()


def account() -> dict[str, tuple[int, int]]:
    """By tenant, tokens and calls. The provider says one token for each."""
    rows = EmbeddingUsage.objects.select_related("tenant")
    return {row.tenant.name: (row.tokens, row.calls) for row in rows}


def put_off() -> float:
    return REGISTRY.get_sample_value("memory_embedding_usage_put_off_total") or 0.0


def test_it_works(bot, outsider):
    for text in ("tea", "coffee", "tea"):
        bot.get(SEARCH, query=text)
    outsider.get(SEARCH, query="tea")
    assert account() == {}, "a search writes nothing to the database"
    query_costs.flush()
    assert account() == {"acme": (2, 2), "globex": (1, 1)}
    query_costs.flush()
    assert account() == {"acme": (2, 2), "globex": (1, 1)}, "nothing is counted twice"
    bot.get(SEARCH, query="water")
    query_costs.flush()
    assert account()["acme"] == (3, 3)


def test_one_statement_for_all_tenants(bot, outsider, django_assert_num_queries):
    for who in (bot, outsider):
        who.get(SEARCH, query="tea")
    with django_assert_num_queries(4):  # a savepoint in place of a transaction, two settings and this
        query_costs.flush()


def test_the_metrics_say_what_the_account_says(bot):
    def counted() -> float:
        labels = {"provider": "openai", "model": "made-up"}
        return REGISTRY.get_sample_value("memory_embedding_tokens_total", labels) or 0.0

    before = counted()
    bot.get(SEARCH, query="tea")
    query_costs.flush()
    assert counted() == before + 1


def test_a_deleted_tenant_is_passed_over(bot, outsider, acme):
    for who in (bot, outsider):
        who.get(SEARCH, query="tea")
    acme.delete()
    query_costs.flush()
    assert account() == {"globex": (1, 1)}


@pytest.mark.django_db(transaction=True)
def test_a_database_without_writes_is_waited_for(bot):
    bot.get(SEARCH, query="water")  # makes the space
    query_costs.flush()
    before = put_off()
    with read_only():
        for text in ("tea", "coffee"):
            assert bot.get(SEARCH, query=text).json()["degraded"] is False
            query_costs.flush()
        assert put_off() == before + 2
    query_costs.flush()
    assert account() == {"acme": (3, 3)}


@pytest.mark.django_db(transaction=True)
def test_a_lost_connection_is_replaced(bot, monkeypatch):
    monkeypatch.undo()  # the thread is what is tested
    done = threading.Semaphore(0)

    def write() -> None:
        query_costs.flush()
        connection.connection.close()
        done.release()

    monkeypatch.setattr(query_costs, "_later", Later(0.0, write))
    bot.get(SEARCH, query="tea")
    assert done.acquire(timeout=30)
    bot.get(SEARCH, query="coffee")
    assert done.acquire(timeout=30), "finds the connection lost"
    assert done.acquire(timeout=30), "and has another one"
    assert account() == {"acme": (2, 2)}


@pytest.mark.django_db(transaction=True)
def test_a_process_that_serves_writes_from_a_thread_that_nobody_vouched_for(bot, monkeypatch):
    """There a statement reaches no tenant's rows unless it says so."""
    bot.get(SEARCH, query="tea")
    monkeypatch.setattr(isolation, "_default", isolation.NOBODY)
    writer = threading.Thread(target=lambda: (query_costs.flush(), connection.close()))
    writer.start()
    writer.join()
    monkeypatch.undo()
    assert account() == {"acme": (1, 1)}


def test_what_a_provider_does_not_count_is_estimated(acme, db):
    space = EmbeddingSpace.objects.create(provider="openai", model="made-up", dimensions=8)
    used = query_costs.Used(calls=1, complete=False)
    query_costs.note(tenant_id=acme.id, text="x" * 65_536, space=space, used=used)
    query_costs.flush()
    assert account() == {"acme": (8192, 1)}
