"""A suspended tenant: all that it asks for is refused, nothing of it is lost, and resumed it is as it was."""

import io
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from memories import tasks
from memories.models import EmbeddingJob, Message, MessageEmbedding
from tenants.models import Tenant
from tests.answers import problem_of
from tests.factories import remember

HELLO = {"conversation_id": "conv-1", "role": "user", "content": "green tea"}
ACME = "/v1/admin/tenants/acme"
SEARCH = "/v1/memory/search"
TYPE = "urn:ai-memory-layer:problem:tenant-suspended"


@pytest.fixture
def suspend(operator, acme):
    def patch(suspended: bool = True):
        answer = operator.patch(ACME, {"suspended": suspended})
        assert answer.status_code == 200
        return answer.json()

    return patch


def test_it_works(bot, operator, acme, suspend):
    bot.post("/v1/messages", HELLO)
    before = bot.get(SEARCH, query="tea").json()["results"][0]["id"]
    said = suspend()
    assert said["suspended"] is True
    assert said["suspended_at"] is not None
    problem_of(bot.get(SEARCH, query="tea"), 403)
    said = suspend(False)
    assert (said["suspended"], said["suspended_at"]) == (False, None)
    assert bot.get(SEARCH, query="tea").json()["results"][0]["id"] == before


def test_reads_and_writes_are_refused_to_its_keys_and_to_operators(bot, manager, operator, acme, suspend):
    [message] = remember(acme, "green tea")
    suspend()
    path = f"/v1/messages/{message.id}"
    for answer in (
        bot.get("/v1/messages"),
        bot.post("/v1/messages", HELLO),
        bot.post("/v1/messages/batch", {"messages": [HELLO]}),
        bot.get(path),
        bot.patch(path, {"pinned": True}),
        bot.delete(path),
        bot.get(SEARCH, query="tea"),
        bot.post("/v1/memory/context", {"query": "tea"}),
        operator.get("/v1/messages", tenant_id="acme"),
        operator.post("/v1/messages", {**HELLO, "tenant_id": "acme"}),
        manager.get(ACME),
        manager.patch(ACME, {"search_mode": "text"}),
        manager.get("/v1/admin/tenants"),
        manager.get("/v1/admin/keys"),
        manager.post("/v1/admin/keys", {"scopes": ["read"]}),
    ):
        body = problem_of(answer, 403)
        assert body["type"] == TYPE
        assert "until the operator resumes it" in body["detail"]
    assert list(Message.objects.values_list("content", "pinned")) == [("green tea", False)]


def test_an_operator_sees_sets_and_resumes_it_and_handles_its_keys(operator, acme, suspend):
    suspend()
    assert operator.get(ACME).json()["suspended"] is True
    assert operator.patch(ACME, {"language": "german"}).json()["language"] == "german"
    new = operator.post("/v1/admin/keys", {"tenant_id": "acme", "scopes": ["read"]})
    assert new.status_code == 201
    assert operator.delete(f"/v1/admin/keys/{new.json()['prefix']}").status_code == 204


def test_once_more_changes_nothing(suspend):
    first = suspend()
    assert suspend() == first


def test_a_tenant_can_begin_suspended(operator):
    said = operator.post("/v1/admin/tenants", {"tenant_id": "acme", "suspended": True}).json()
    assert said["suspended"] is True
    assert Tenant.objects.get().suspended_at is not None


def test_settings_that_became_wrong_keep_nobody_from_suspending(operator, acme, settings, suspend):
    Tenant.objects.update(similarity_weight=0, importance_weight=0)
    settings.ENV = settings.ENV.model_copy(update={"weight_decay": 0.0})
    assert suspend()["suspended"] is True


def test_a_wrong_setting_suspends_nobody(operator, acme):
    problem_of(operator.patch(ACME, {"suspended": True, "half_life_days": -1}), 400)
    weights = dict.fromkeys(("similarity_weight", "importance_weight", "decay_weight"), 0)
    problem_of(operator.patch(ACME, {"suspended": True, **weights}), 400)
    assert Tenant.objects.get().suspended_at is None


def test_what_was_stored_is_embedded_all_the_same(bot, acme, suspend):
    bot.post("/v1/messages", HELLO)
    suspend()
    tasks.drain()
    assert MessageEmbedding.objects.filter(tenant=acme).count() == 1
    assert not EmbeddingJob.objects.exists()


def test_retention_waits_until_it_is_resumed(acme, suspend):
    remember(acme, "old", created_at=timezone.now() - timedelta(days=100), importance=0.1)
    suspend()
    call_command("run_retention", stdout=io.StringIO())
    assert Message.objects.for_tenant(acme.id).count() == 1
    suspend(False)
    call_command("run_retention", stdout=io.StringIO())
    assert not Message.objects.for_tenant(acme.id).exists()
