"""Legal holds through the API: placed, listed, released, never removed; and nothing of theirs leaves."""

from datetime import timedelta

import pytest
from django.utils import timezone

from memories.models import Message
from retention.models import LegalHold
from tenants.audit_event import AuditEvent
from tenants.lifecycle import create_key
from tests.answers import problem_of
from tests.conftest import Api
from tests.factories import remember

HOLDS = "/v1/admin/holds"
ANN = {"kind": "user", "subject": "ann", "reason": "matter 7"}


@pytest.fixture
def manager(acme) -> Api:
    """Acme's own administrator."""
    return Api(create_key(tenant=acme, scopes=["read", "write", "admin"])[1])


def placed(api: Api, **values) -> dict:
    answer = api.post(HOLDS, ANN | values)
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_it_works(manager, acme):
    old = {"created_at": timezone.now() - timedelta(days=100), "importance": 0.1}
    remember(acme, "Ann's", user_id="ann", **old)
    remember(acme, "Bob's", user_id="bob", **old)
    hold = placed(manager)
    assert (hold["tenant_id"], hold["subject"], hold["released_at"]) == ("acme", "ann", None)
    assert hold["placed_by"] == manager.key.split("_")[1]
    assert manager.get(HOLDS).json() == {"holds": [hold], "next": None}
    assert manager.post("/v1/admin/retention/run", {}).json()["archived"] == 1
    assert Message.objects.get().content == "Ann's"
    released = manager.post(f"{HOLDS}/{hold['id']}/release", {}).json()
    assert released["released_by"] == hold["placed_by"]
    assert released["released_at"] >= released["placed_at"]
    assert manager.post("/v1/admin/retention/run", {}).json()["archived"] == 1


def test_a_released_hold_stays_as_it_was(manager, acme):
    hold = placed(manager)
    other = Api(create_key(tenant=acme, scopes=["admin"])[1])
    first = manager.post(f"{HOLDS}/{hold['id']}/release", {}).json()
    assert other.post(f"{HOLDS}/{hold['id']}/release", {}).json() == first
    problem_of(manager.delete(f"{HOLDS}/{hold['id']}"), 404)
    again = placed(manager)
    assert [each["id"] for each in manager.get(HOLDS).json()["holds"]] == [again["id"], hold["id"]]
    assert manager.get(HOLDS, state="active").json()["holds"] == [again]
    assert manager.get(HOLDS, state="released").json()["holds"] == [first]


def test_the_same_is_held_once(manager):
    placed(manager)
    assert "already" in problem_of(manager.post(HOLDS, ANN), 409)["detail"]
    placed(manager, kind="conversation")
    assert placed(manager, kind="tenant", subject=None)["subject"] is None
    problem_of(manager.post(HOLDS, {"kind": "tenant", "reason": "x"}), 409)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"kind": "everybody"}, "kind"),
        ({"kind": "tenant"}, "subject"),
        ({"subject": None}, "subject"),
        ({"subject": ""}, "subject"),
        ({"subject": 7}, "subject"),
        ({"subject": "a\x00"}, "subject"),
        ({"subject": "x" * 256}, "subject"),
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 1001}, "reason"),
        ({"reason": None}, "reason"),
        ({"placed_by": "me"}, "placed_by"),
    ],
)
def test_bad_input_is_named_and_nothing_is_held(manager, values, field):
    problem_of(manager.post(HOLDS, ANN | values), 400, field=field)
    assert not LegalHold.objects.exists()


@pytest.mark.parametrize(
    "params",
    [
        {"state": "x"},
        {"limit": 0},
        {"cursor": "x"},
        {"cursor": "eA=="},
        {"cursor": "MTE4MDU5MTYyMDcxNzQxMTMwMzQyNA=="},
        {"who": "x"},
    ],
)
def test_a_list_that_cannot_be_is_refused(manager, params):
    problem_of(manager.get(HOLDS, **params), 400, field=next(iter(params)))


def test_it_takes_the_scope_admin_even_to_read(bot, reader, stranger, manager):
    hold = placed(manager)
    for api in (bot, reader):
        for answer in (api.get(HOLDS), api.post(HOLDS, ANN), api.post(f"{HOLDS}/{hold['id']}/release", {})):
            assert "'admin'" in problem_of(answer, 403)["detail"]
    problem_of(stranger.get(HOLDS), 401)
    assert LegalHold.objects.get().released_at is None


def test_another_tenants_hold_is_not_there(manager, operator, globex):
    theirs = placed(operator, tenant_id="globex")
    assert manager.get(HOLDS).json()["holds"] == []
    for hold_id in (theirs["id"], 0, 2**70):
        problem_of(manager.post(f"{HOLDS}/{hold_id}/release", {}), 404)
    problem_of(manager.post(HOLDS, ANN | {"tenant_id": "globex"}), 403)
    assert LegalHold.objects.get().released_at is None
    released = operator.post(f"{HOLDS}/{theirs['id']}/release?tenant_id=globex", {})
    assert released.json()["released_at"]


def test_pages(manager):
    ids = [placed(manager, subject=f"user-{n}")["id"] for n in range(5)]
    first = manager.get(HOLDS, limit=3).json()
    rest = manager.get(HOLDS, limit=3, cursor=first["next"]).json()
    assert [hold["id"] for hold in first["holds"] + rest["holds"]] == ids[::-1]
    assert rest["next"] is None


@pytest.mark.parametrize(("kind", "subject"), [("user", "ann"), ("conversation", "conv-1"), ("tenant", None)])
def test_what_is_held_is_neither_deleted_nor_written_over(manager, acme, kind, subject):
    [message] = remember(acme, "Ann's secret", user_id="ann", metadata={"a": 1})
    path, before = f"/v1/messages/{message.id}", manager.get(f"/v1/messages/{message.id}").json()
    hold = placed(manager, kind=kind, subject=subject)
    lost = [
        {"content": "other"},
        {"metadata": {}},
        {"metadata": {"a": 1.0}},
        {"pinned": True, "content": "other"},
    ]
    for answer in (manager.delete(path), *(manager.patch(path, change) for change in lost)):
        said = problem_of(answer, 409)["detail"]
        assert f"Legal hold {hold['id']} on a {kind}" in said
        assert not any(word in said for word in ("secret", "ann", "conv-1"))
    assert manager.get(path).json() == before
    assert not AuditEvent.objects.filter(action__startswith="message.").exists()
    manager.post(f"{HOLDS}/{hold['id']}/release", {})
    assert manager.patch(path, {"content": "other"}).status_code == 200
    assert manager.delete(path).status_code == 204


def test_how_a_held_message_is_judged_can_be_changed(manager, acme):
    [message] = remember(acme, "Ann's", user_id="ann", metadata={"a": 1})
    placed(manager)
    change = {"importance": 0.9, "pinned": True, "content": "Ann's", "metadata": {"a": 1}}
    answer = manager.patch(f"/v1/messages/{message.id}", change)
    assert (answer.status_code, answer.json()["importance"], answer.json()["pinned"]) == (200, 0.9, True)


def test_all_holds_on_a_message_are_named(manager, acme):
    [message] = remember(acme, "Ann's", user_id="ann")
    names = [
        f"Legal hold {placed(manager, kind=kind, subject=subject)['id']} on a {kind}"
        for kind, subject in [("user", "ann"), ("conversation", "conv-1"), ("tenant", None)]
    ]
    said = problem_of(manager.delete(f"/v1/messages/{message.id}"), 409)["detail"]
    assert [said.index(name) for name in names] == sorted(said.index(name) for name in names)


def test_others_are_deleted_and_edited_as_ever(manager, operator, acme, globex):
    [mine, nobodys] = remember(acme, "mine", user_id="bob") + remember(acme, "nobody's", conversation="c-2")
    [theirs] = remember(globex, "theirs", user_id="ann")
    placed(manager)
    placed(manager, kind="conversation", subject="elsewhere")
    placed(operator, kind="tenant", subject=None, tenant_id="globex")
    for message in (mine, nobodys):
        assert manager.patch(f"/v1/messages/{message.id}", {"content": "new"}).status_code == 200
        assert manager.delete(f"/v1/messages/{message.id}").status_code == 204
    problem_of(manager.delete(f"/v1/messages/{theirs.id}"), 404)
    assert Message.objects.get() == theirs
