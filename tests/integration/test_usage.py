"""What a provider says it used is what is accounted, for messages and for queries."""

import pytest

from memories import query_costs, tasks
from memories.embeddings import embed, usage
from memories.models import EmbeddingUsage
from tests.factories import remember
from tests.fake_provider import FakeProvider, identity


@pytest.fixture
def fake(httpserver, settings):
    fake = FakeProvider(httpserver)
    settings.ENV = settings.ENV.model_copy(update=fake.settings("openai"))
    yield fake
    fake.released.set()


def test_reported_tokens_are_added_up(fake):
    with usage.metered() as used:
        embed(["one", "two"], identity("openai"))
        embed(["three"], identity("openai"))
    assert used.calls == 2
    assert used.tokens
    assert used.tokens > 0


@pytest.mark.parametrize("said", [None, "7", -1, 1.5, True])
def test_what_is_no_count_is_unknown(said):
    with usage.metered() as used:
        usage.count(3)
        usage.count(said)
    assert (used.calls, used.tokens) == (2, None)


def test_a_query_is_accounted_once(fake, acme, bot):
    remember(acme, "green tea")
    tasks.drain()
    before = EmbeddingUsage.objects.get(tenant=acme)
    for _ in range(3):
        assert bot.get("/v1/memory/search", query="tea").json()["degraded"] is False
    query_costs.flush()
    after = EmbeddingUsage.objects.get(tenant=acme)
    assert after.calls == before.calls + 1
    assert after.tokens > before.tokens
