"""Keys, tenants and the active space are remembered for seconds: cheap, and neither a new nor a dead one is late."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from memories import reembedding, spaces, tasks
from memories.embeddings import Identity
from memories.models import EmbeddingSpace
from tenants import keys, remembered
from tenants.lifecycle import create_key
from tenants.models import ApiKey, Tenant
from tests.answers import problem_of
from tests.conftest import Api
from tests.factories import remember

SEARCH = "/v1/memory/search"


def tables_read(api: Api, **params) -> str:
    with CaptureQueriesContext(connection) as queries:
        assert api.get(SEARCH, query="tea", **params).status_code == 200
    return " ".join(query["sql"] for query in queries)


def keys_and_tenants(sql: str) -> list[str]:
    return re.findall(r"[^\n(]*tenants_\w+", sql)


# The one thing that must not be seconds old: a message stored just now is in it. Read by the statement for the words.
LANGUAGE_ALONE = ["        SELECT language AS name FROM tenants_tenant"]


def test_it_works(bot, acme):
    remember(acme, "green tea")
    bot.get(SEARCH, query="tea")
    sql = tables_read(bot)
    assert "memories_message" in sql
    assert keys_and_tenants(sql) == LANGUAGE_ALONE
    assert "provider" not in sql


def test_an_operators_tenant_is_remembered_too(operator, acme):
    operator.get(SEARCH, query="tea", tenant_id="acme")
    assert keys_and_tenants(tables_read(operator, tenant_id="acme")) == LANGUAGE_ALONE


def test_a_key_revoked_elsewhere_is_dead_within_seconds(bot, let_pass):
    assert bot.get(SEARCH, query="tea").status_code == 200
    ApiKey.objects.update(revoked_at=timezone.now())
    let_pass(remembered.SECONDS)
    problem_of(bot.get(SEARCH, query="tea"), 401)


@pytest.mark.parametrize("end", [lambda key: key.delete(), lambda key: revoke(key)])
def test_a_key_revoked_here_is_dead_at_once(bot, end):
    bot.get(SEARCH, query="tea")
    end(ApiKey.objects.get())
    problem_of(bot.get(SEARCH, query="tea"), 401)


def revoke(key: ApiKey) -> None:
    key.revoked_at = timezone.now()
    key.save()


def test_the_admin_revokes_at_once(bot, admin_client):
    bot.get(SEARCH, query="tea")
    form = {"action": "revoke", "_selected_action": [ApiKey.objects.get().pk]}
    assert admin_client.post("/admin/tenants/apikey/", form).status_code == 302
    problem_of(bot.get(SEARCH, query="tea"), 401)


def test_a_remembered_key_expires_to_the_second(acme):
    now = timezone.now()
    with time_machine.travel(now, tick=False) as clock:
        _, plain = create_key(tenant=acme, scopes=["read"], expires_at=now + timedelta(seconds=2))
        assert Api(plain).get(SEARCH, query="tea").status_code == 200
        clock.shift(2)
        problem_of(Api(plain).get(SEARCH, query="tea"), 401)


def test_a_new_key_and_a_new_tenant_work_at_once_though_they_were_tried_before(operator, acme, monkeypatch):
    new = keys.make()
    problem_of(Api(new.plain).get(SEARCH, query="tea"), 401)
    problem_of(operator.get(SEARCH, query="tea", tenant_id="late"), 404)
    ApiKey.objects.bulk_create([ApiKey(tenant=acme, scopes=["read"], prefix=new.prefix, digest=new.digest)])
    Tenant.objects.bulk_create([Tenant(name="late")])
    assert Api(new.plain).get(SEARCH, query="tea").status_code == 200
    assert operator.get(SEARCH, query="tea", tenant_id="late").status_code == 200


def test_a_wrong_secret_behind_a_remembered_prefix_is_refused(bot):
    bot.get(SEARCH, query="tea")
    problem_of(Api(bot.key[:-1] + ("a" if bot.key[-1] != "a" else "b")).get(SEARCH, query="tea"), 401)


def test_a_tenant_suspended_elsewhere_is_refused_within_seconds(bot, operator, acme, let_pass):
    assert bot.get(SEARCH, query="tea").status_code == 200
    assert operator.get(SEARCH, query="tea", tenant_id="acme").status_code == 200
    Tenant.objects.update(suspended_at=timezone.now())
    let_pass(remembered.SECONDS)
    problem_of(bot.get(SEARCH, query="tea"), 403)
    problem_of(operator.get(SEARCH, query="tea", tenant_id="acme"), 403)


def test_a_space_switched_elsewhere_is_read_within_seconds(bot, acme, let_pass):
    remember(acme, "green tea")
    tasks.drain()
    old = spaces.active_space()
    new = reembedding.space_for(Identity("mock", "hashed-words", 64))
    list(reembedding.fill(new))
    tasks.drain()
    EmbeddingSpace.objects.filter(id=old.id).update(active=False)
    EmbeddingSpace.objects.filter(id=new.id).update(active=True)
    for seconds, space in ((0.0, old), (spaces.REMEMBERED_SECONDS, new)):
        let_pass(seconds)
        assert spaces.active_space() == space
        answer = bot.get(SEARCH, query="tea", mode="vector", explain="true").json()
        assert answer["degraded"] is False
        assert answer["results"][0]["explain"]["cosine"] is not None
