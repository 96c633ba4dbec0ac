"""A tenant's monthly embedding budget: spent, it pauses embedding, and nothing else."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from memories import jobs, tasks
from memories.models import EmbeddingJob, EmbeddingUsage, MessageEmbedding
from tests.factories import remember


@pytest.fixture(autouse=True)
def dear(settings, monkeypatch):
    """A cent a token, and the mock counts as remote."""
    settings.ENV = settings.ENV.model_copy(update={"embedding_price_per_million_tokens": 10_000.0})
    monkeypatch.setattr(jobs, "is_remote", lambda _: True)


def allow(tenant, dollars: str | None) -> None:
    tenant.embedding_budget_usd = None if dollars is None else Decimal(dollars)
    tenant.save()


def embedded(tenant) -> int:
    return MessageEmbedding.objects.filter(tenant=tenant).count()


def test_a_spent_budget_pauses_embedding_and_not_ingest(acme, bot):
    allow(acme, "0.01")
    remember(acme, "the first message")
    tasks.drain()
    assert EmbeddingUsage.objects.get(tenant=acme).cost_micro_usd >= 10_000
    stored = bot.post("/v1/messages", {"conversation_id": "c", "role": "user", "content": "zebra"})
    assert stored.status_code == 201
    assert tasks.drain() == 0
    assert not jobs.workable()
    hit = bot.get("/v1/memory/search", query="zebra").json()["results"][0]
    assert (hit["content"], hit["embedding_status"]) == ("zebra", "pending")
    assert EmbeddingJob.objects.get().attempts == 0


@pytest.mark.parametrize("dollars", [None, "1000"])
def test_a_higher_budget_goes_on(acme, dollars):
    allow(acme, "0")
    remember(acme, "one")
    assert tasks.drain() == 0
    allow(acme, dollars)
    assert tasks.drain() == 1


def test_another_tenant_is_not_held_up(acme, globex):
    allow(acme, "0")
    remember(acme, "paused")
    remember(globex, "free")
    tasks.drain()
    assert (embedded(acme), embedded(globex)) == (0, 1)


def test_a_new_month_begins_at_nothing(acme):
    allow(acme, "0.01")
    remember(acme, "last month")
    tasks.drain()
    EmbeddingUsage.objects.update(day=timezone.now().date().replace(day=1) - timedelta(days=1))
    remember(acme, "this month")
    assert tasks.drain() == 1


def test_a_local_model_costs_nothing(acme, monkeypatch):
    monkeypatch.setattr(jobs, "is_remote", lambda _: False)
    allow(acme, "0")
    remember(acme, "one")
    assert tasks.drain() == 1


def test_health_counts_who_is_over(acme, operator):
    allow(acme, "0")
    rows = {row["part"]: row for row in operator.get("/v1/admin/health").json()["parts"]}
    assert rows["jobs"]["tenants_over_budget"] == 1
