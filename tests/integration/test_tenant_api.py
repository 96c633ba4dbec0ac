"""Tenants through the API: create, read, set, suspend; by operators, and by a tenant's own administrator."""

import threading

import pytest
from django.db import connection

from tenants import lifecycle
from tenants.models import Tenant
from tests.answers import problem_of
from tests.conftest import Api
from tests.factories import TenantFactory, remember

TENANTS = "/v1/admin/tenants"
ACME = f"{TENANTS}/acme"
SETTINGS = {
    "search_mode": "text",
    "language": "german",
    "similarity_weight": 0.5,
    "importance_weight": 0.4,
    "decay_weight": 0.1,
    "half_life_days": 7.0,
}
LIMITS = {
    "reads_per_minute": 600,
    "writes_per_minute": 60,
    "burst_seconds": 10,
    "message_quota": 1000,
    "byte_quota": 0,
}


def test_it_works(operator):
    body = {"tenant_id": "acme", **SETTINGS, **LIMITS, "embedding_budget_usd": "12.50"}
    created = operator.post(TENANTS, body)
    assert created.status_code == 201
    said = created.json()
    assert said == {**body, "created_at": said["created_at"], "suspended": False, "suspended_at": None}
    assert operator.get(ACME).json() == said
    assert operator.get(TENANTS).json() == {"tenants": [said], "next": None}


def test_a_new_tenant_has_the_installations_settings(operator):
    said = operator.post(TENANTS, {"tenant_id": "acme"}).json()
    assert said["language"] == "english"
    empty = {*SETTINGS, *LIMITS, "embedding_budget_usd"} - {"language"}
    assert {name: said[name] for name in empty} == dict.fromkeys(empty)


def test_what_is_set_is_what_a_search_uses(operator, manager, acme):
    remember(acme, "green tea")
    for api, mode in ((operator, "text"), (manager, "vector")):
        changed = api.patch(ACME, {**SETTINGS, "search_mode": mode})
        assert changed.status_code == 200
        explained = manager.get("/v1/memory/search", query="tea", explain="true").json()["explain"]
        assert (explained["mode"], explained["half_life_days"]) == (mode, 7)
        assert explained["weights"] == {"similarity": 0.5, "importance": 0.4, "decay": 0.1}


def test_a_change_leaves_the_rest_and_null_takes_back(operator, acme):
    operator.patch(ACME, SETTINGS)
    said = operator.patch(ACME, {"half_life_days": None, "search_mode": None}).json()
    assert {name: said[name] for name in SETTINGS} == SETTINGS | {"half_life_days": None, "search_mode": None}


WRONG = [
    ({"similarity_weight": 1.5}, "similarity_weight"),
    ({"decay_weight": -0.1}, "decay_weight"),
    ({"decay_weight": "0.1"}, "decay_weight"),
    ({"importance_weight": True}, "importance_weight"),
    ({"similarity_weight": 0, "importance_weight": 0, "decay_weight": 0}, "similarity_weight"),
    ({"half_life_days": 0}, "half_life_days"),
    ({"half_life_days": 1e300}, "half_life_days"),
    ({"search_mode": "psychic"}, "search_mode"),
    ({"search_mode": ""}, "search_mode"),
    ({"language": "klingon"}, "language"),
    ({"language": None}, "language"),
    ({"embedding_budget_usd": -1}, "embedding_budget_usd"),
    ({"embedding_budget_usd": "nan"}, "embedding_budget_usd"),
    ({"embedding_budget_usd": 1e30}, "embedding_budget_usd"),
    ({"embedding_budget_usd": 0.001}, "embedding_budget_usd"),
    ({"reads_per_minute": -1}, "reads_per_minute"),
    ({"writes_per_minute": 1_000_001}, "writes_per_minute"),
    ({"burst_seconds": 0}, "burst_seconds"),
    ({"message_quota": 1.5}, "message_quota"),
    ({"byte_quota": 10**30}, "byte_quota"),
    ({"suspended": 1}, "suspended"),
    ({"suspended": None}, "suspended"),
    ({"created_at": "2020-01-01"}, "created_at"),
]


@pytest.mark.parametrize(("fields", "field"), WRONG, ids=str)
def test_a_wrong_setting_is_named_and_changes_nothing(operator, acme, fields, field):
    before = Tenant.objects.values().get()
    problem_of(operator.patch(ACME, {"half_life_days": 9, **fields}), 400, field=field)
    problem_of(operator.post(TENANTS, {"tenant_id": "new", **fields}), 400, field=field)
    assert Tenant.objects.values().get() == before


@pytest.mark.parametrize("name", ["", " acme", "a\nb", "x" * 256, "\0", "\ud800", 7, None, ["a"]], ids=ascii)
def test_a_wrong_name_is_refused(operator, name):
    problem_of(operator.post(TENANTS, {"tenant_id": name}), 400, field="tenant_id")


@pytest.mark.parametrize("body", ["[]", "7", "null", "{", '{"language": NaN}'])
def test_what_is_no_object_is_refused(operator, acme, body):
    for answer in (operator.post(TENANTS, body), operator.patch(ACME, body)):
        problem_of(answer, 400)


def test_an_empty_change_and_a_rename_are_refused(operator, acme):
    problem_of(operator.patch(ACME, {}), 400)
    problem_of(operator.patch(ACME, {"tenant_id": "other"}), 400, field="tenant_id")
    assert Tenant.objects.get().name == "acme"


def test_a_name_is_taken_once(operator, acme):
    assert "already" in problem_of(operator.post(TENANTS, {"tenant_id": "acme"}), 409)["detail"]
    assert Tenant.objects.count() == 1


def test_a_name_that_another_request_takes_meanwhile_is_a_conflict(operator, acme, monkeypatch):
    monkeypatch.setattr(Tenant, "full_clean", lambda self: None)
    problem_of(operator.post(TENANTS, {"tenant_id": "acme"}), 409)


@pytest.mark.parametrize("name", ["a/b", "a b", "ä?#%", "rotate", "a/../b"])
def test_a_tenant_of_any_name_is_reached(operator, name):
    assert operator.post(TENANTS, {"tenant_id": name}).status_code == 201
    path = f"{TENANTS}/{name.replace('%', '%25').replace('?', '%3F').replace('#', '%23')}"
    assert operator.patch(path, {"language": "german"}).json()["tenant_id"] == name
    assert operator.get(path).json()["language"] == "german"


def test_the_list_has_pages_and_a_filter(operator):
    names = [TenantFactory().name for _ in range(5)]
    lifecycle.set_suspended(tenant=Tenant.objects.get(name=names[3]), suspended=True)
    first = operator.get(TENANTS, limit=3).json()
    rest = operator.get(TENANTS, limit=3, cursor=first["next"]).json()
    assert [row["tenant_id"] for row in first["tenants"] + rest["tenants"]] == names
    assert rest["next"] is None
    [suspended] = operator.get(TENANTS, suspended="true").json()["tenants"]
    assert suspended["tenant_id"] == names[3]
    assert len(operator.get(TENANTS, suspended="false").json()["tenants"]) == 4


@pytest.mark.parametrize("cursor", ["x", "", "MQ", "LTE=", "MXwy", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"])
def test_a_wrong_cursor_is_refused(operator, cursor):
    for path in (TENANTS, "/v1/admin/keys"):
        problem_of(operator.get(path, cursor=cursor), 400, field="cursor")


def test_a_tenants_administrator_sees_and_sets_its_own_search(manager, acme, globex):
    assert [row["tenant_id"] for row in manager.get(TENANTS).json()["tenants"]] == ["acme"]
    assert manager.get(ACME).json()["tenant_id"] == "acme"
    assert manager.patch(ACME, SETTINGS).json()["language"] == "german"


@pytest.mark.parametrize(
    "changes",
    [
        {"suspended": True},
        {"suspended": False},
        {"embedding_budget_usd": None},
        *({name: None} for name in LIMITS),
    ],
)
def test_what_it_costs_and_whether_it_is_served_is_the_operators(manager, acme, changes):
    before = Tenant.objects.values().get()
    detail = problem_of(manager.patch(ACME, {"search_mode": "text", **changes}), 403)["detail"]
    assert next(iter(changes)) in detail
    assert Tenant.objects.values().get() == before


def test_a_tenants_administrator_creates_none(manager):
    problem_of(manager.post(TENANTS, {"tenant_id": "new"}), 403)
    assert not Tenant.objects.filter(name="new").exists()


def test_a_foreign_tenant_is_missing_like_one_that_there_is_not(manager, globex):
    said = set()
    for name in ("globex", "nobody", "%00", "ACME"):
        for answer in (manager.get(f"{TENANTS}/{name}"), manager.patch(f"{TENANTS}/{name}", SETTINGS)):
            body = problem_of(answer, 404)
            said.add(answer.content.replace(body["request_id"].encode(), b""))
    assert len(said) == 1
    assert Tenant.objects.get(name="globex").language == "english"


def test_it_takes_the_scope_admin(bot, reader, stranger, acme):
    for api, status in ((bot, 403), (reader, 403), (stranger, 401)):
        for answer in (
            api.get(TENANTS),
            api.get(ACME),
            api.post(TENANTS, {"tenant_id": "new"}),
            api.patch(ACME, SETTINGS),
        ):
            problem_of(answer, status)


@pytest.mark.django_db(transaction=True)
def test_two_changes_that_are_wrong_together_do_not_both_come_through(operator):
    operator.post(TENANTS, {"tenant_id": "acme", "decay_weight": 0})
    answers = []

    def send(field: str) -> None:
        answers.append(Api(operator.key).patch(ACME, {field: 0}).status_code)
        connection.close()

    threads = [
        threading.Thread(target=send, args=[f"{name}_weight"]) for name in ("similarity", "importance")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 400]
