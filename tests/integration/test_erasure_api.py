"""DELETE of users and conversations, receipts, and the commands that erase."""

import json
from datetime import timedelta
from io import StringIO
from urllib.parse import quote

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from memories.models import Message
from retention import erasure
from retention.models import ErasureReceipt, LegalHold
from tenants.lifecycle import create_key
from tenants.models import Tenant
from tests.answers import problem_of
from tests.conftest import Api
from tests.factories import remember
from tests.integration.test_archive import archive_all

SAID = {"conversation_id": "c", "role": "user", "content": "tea", "user_id": "ann"}


@pytest.fixture
def keeper(acme) -> Api:
    """Acme's own administrator."""
    return Api(create_key(tenant=acme, scopes=["read", "write", "admin"])[1])


@pytest.fixture
def said(acme):
    remember(acme, "Anns boat", user_id="ann")
    archive_all(acme, *remember(acme, "Anns archive", user_id="ann"))
    remember(acme, "Bobs boat", user_id="bob", conversation="conv-2")


def contents() -> list[str]:
    return sorted(Message.objects.values_list("content", flat=True))


def test_a_user_is_erased(keeper, bot, said):
    answer = keeper.delete("/v1/users/ann")
    assert answer.status_code == 200
    body = answer.json()
    assert body["counts"] == {
        "memories_archivedmessage": 1,
        "memories_embeddingjob": 1,
        "memories_message": 1,
    }
    assert (body["kind"], body["verified"], len(body["digest"])) == ("user", True, 64)
    assert contents() == ["Bobs boat"]
    old = SAID | {"created_at": (timezone.now() - timedelta(hours=1)).isoformat()}
    assert problem_of(bot.post("/v1/messages", old), 409)["detail"].startswith("user_id: erased at")
    assert bot.post("/v1/messages", SAID).status_code == 201
    assert keeper.delete("/v1/users/ann").json()["counts"]["memories_message"] == 1


def test_an_unknown_user_gets_the_same_kind_of_answer(keeper, said):
    body = keeper.delete("/v1/users/nobody").json()
    assert (body["counts"], body["verified"]) == ({}, True)


def test_a_conversation_is_erased_by_whoever_may_write(bot, reader, said):
    problem_of(reader.delete("/v1/conversations/conv-1"), 403)
    assert bot.delete("/v1/conversations/conv-1").json()["kind"] == "conversation"
    assert contents() == ["Bobs boat"]
    problem_of(bot.get("/v1/conversations/conv-1"), 404)
    assert bot.delete("/v1/conversations/conv-1").json()["counts"] == {}


def test_a_user_is_erased_only_by_an_administrator(bot, outsider, operator, said):
    assert "admin" in problem_of(bot.delete("/v1/users/ann"), 403)["detail"]
    problem_of(outsider.delete("/v1/users/ann?tenant_id=acme"), 403)
    problem_of(operator.delete("/v1/users/ann"), 404)
    assert operator.delete("/v1/users/ann?tenant_id=acme").json()["counts"]["memories_message"] == 1


def test_a_hold_is_a_conflict_that_says_which(keeper, acme, said):
    hold = LegalHold.objects.create(tenant=acme, kind="user", subject="ann", reason="7", placed_by="x")
    for path in ("/v1/users/ann", "/v1/conversations/conv-1"):
        assert f"Legal hold {hold.id} on a user" in problem_of(keeper.delete(path), 409)["detail"]
    assert contents() == ["Anns boat", "Bobs boat"]
    assert keeper.delete("/v1/conversations/conv-2").status_code == 200


@pytest.mark.parametrize("name", ["a/b", "a/export", "export", "a/b/", "50%", "ü 猫", "x?y#z", '"{}"'])
def test_an_id_may_be_any_printable_text(keeper, acme, name):
    remember(acme, "hello", user_id=name, conversation=name)
    remember(acme, "hello", user_id="a", conversation="a")
    path = quote(name, safe="")
    [line, _] = b"".join(keeper.get(f"/v1/users/{path}/export").streaming_content).splitlines()
    assert json.loads(line)["user_id"] == name
    assert keeper.delete(f"/v1/users/{path}").json()["counts"]["memories_message"] == 1
    remember(acme, "hello", conversation=name)
    assert keeper.delete(f"/v1/conversations/{path}").json()["counts"]["memories_message"] == 1
    assert Message.objects.get().user_id == "a"


@pytest.mark.parametrize("name", ["%00", "%20x", "x" * 256])
def test_an_id_that_cannot_be_is_refused(keeper, name):
    problem_of(keeper.delete(f"/v1/users/{name}"), 400, field="user_id")
    problem_of(keeper.get(f"/v1/users/{name}/export"), 400, field="user_id")
    problem_of(keeper.delete(f"/v1/conversations/{name}"), 400, field="conversation_id")
    assert not ErasureReceipt.objects.exists()


def test_without_redis_it_is_not_sure_and_says_so(keeper, said, outage):
    with outage():
        answer = keeper.delete("/v1/users/ann")
    assert "Erase again" in problem_of(answer, 503)["detail"]
    assert answer["Retry-After"] == "10"
    assert (ErasureReceipt.objects.get().verified, contents()) == (False, ["Bobs boat"])
    assert keeper.delete("/v1/users/ann").json()["verified"] is True


def test_receipts_are_listed_newest_first(keeper, operator, outsider, bot, acme, globex, said):
    keeper.delete("/v1/users/ann")
    keeper.delete("/v1/conversations/conv-2")
    operator.delete("/v1/users/ann?tenant_id=globex")
    assert [row["kind"] for row in keeper.get("/v1/admin/receipts").json()["receipts"]] == [
        "conversation",
        "user",
    ]
    first = operator.get("/v1/admin/receipts", limit=2).json()
    rest = operator.get("/v1/admin/receipts", limit=2, cursor=first["next"]).json()
    rows = first["receipts"] + rest["receipts"]
    assert [row["tenant_id"] for row in rows] == ["globex", "acme", "acme"]
    assert rest["next"] is None
    assert len(operator.get("/v1/admin/receipts", tenant_id="acme").json()["receipts"]) == 2
    for api in (bot, outsider):
        problem_of(api.get("/v1/admin/receipts"), 403)
    problem_of(operator.get("/v1/admin/receipts", cursor="x"), 400, field="cursor")


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_the_command_says_what_goes_and_asks(said, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda _: "n")
    out = run("erase_user", "ann", "--tenant", "acme")
    assert "1 in memories_message" in out
    assert "1 in memories_archivedmessage" in out
    assert contents() == ["Anns boat", "Bobs boat"]
    monkeypatch.setattr("builtins.input", lambda _: "y")
    assert "nothing was found any more" in run("erase_user", "ann", "--tenant", "acme")
    assert contents() == ["Bobs boat"]


def test_the_command_refuses_what_the_api_refuses(acme, said):
    for arguments in (["ann", "--tenant", "nobody"], ["", "--tenant", "acme"]):
        with pytest.raises(CommandError):
            run("erase_user", *arguments, "--yes")
    LegalHold.objects.create(tenant=acme, kind="tenant", reason="7", placed_by="x")
    for arguments in (["erase_user", "ann", "--tenant", "acme"], ["erase_tenant", "acme"]):
        with pytest.raises(CommandError, match="Legal hold"):
            run(*arguments, "--yes")
    assert contents() == ["Anns boat", "Bobs boat"]


def test_a_tenant_is_erased_by_command(operator, globex, said, monkeypatch):
    monkeypatch.setattr(erasure, "REMEMBERED_SECONDS", 0.0)
    out = run("erase_tenant", "acme", "--yes")
    assert "the whole tenant acme" in out
    assert "tenants_tenant: 1" in out
    assert list(Tenant.objects.all()) == [globex]
    [row] = operator.get("/v1/admin/receipts").json()["receipts"]
    assert (row["kind"], row["tenant_id"]) == ("tenant", None)


def test_an_operator_erases_a_tenant(operator, manager, acme, globex, monkeypatch):
    monkeypatch.setattr(erasure, "REMEMBERED_SECONDS", 0.0)
    remember(acme, "one")
    remember(globex, "two")
    path = "/v1/admin/tenants/acme"
    assert manager.delete(f"{path}?confirm=acme").status_code == 403
    assert operator.delete(path).status_code == 400
    assert operator.delete(f"{path}?confirm=globex").status_code == 400
    assert operator.delete("/v1/admin/tenants/nobody?confirm=nobody").status_code == 404
    assert Message.objects.count() == 2
    answer = operator.delete(f"{path}?confirm=acme")
    assert (answer.status_code, answer.json()["verified"]) == (200, True)
    assert set(Tenant.objects.values_list("name", flat=True)) == {"globex"}
    assert Message.objects.get().content == "two"
    assert operator.get(path).status_code == 404


def test_a_held_tenant_stays(operator, acme):
    LegalHold.objects.create(tenant=acme, kind="tenant", reason="matter 7", placed_by="me")
    assert operator.delete("/v1/admin/tenants/acme?confirm=acme").status_code == 409
    assert Tenant.objects.get(name="acme").suspended_at is None
