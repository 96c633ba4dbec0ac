"""Retention through the API: run, preview, explain, history, restore; and who may."""

from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.utils import timezone

from memories import tasks
from memories.models import ArchivedMessage, Message
from retention import enforce
from retention.models import RetentionPolicy, RetentionRun
from tenants.lifecycle import create_key
from tests.conftest import Api
from tests.factories import remember
from tests.large_tenants import QUERIES, buckets, chat

RUN, PREVIEW, RUNS = "/v1/admin/retention/run", "/v1/admin/retention/preview", "/v1/admin/retention/runs"
WHY, RESTORE = "/v1/admin/retention/explain", "/v1/admin/retention/restore"
CALLS = [(RUN, {}), (PREVIEW, {}), (WHY, {"message_id": str(uuid4())}), (RESTORE, {"conversation_id": "c"})]


def old(tenant, *contents, **fields):
    return remember(
        tenant, *contents, created_at=timezone.now() - timedelta(days=100), importance=0.1, **fields
    )


@pytest.fixture
def manager(acme):
    """Acme's own administrator."""
    return Api(create_key(tenant=acme, scopes=["read", "write", "admin"])[1])


def test_it_works(manager, acme, globex):
    old(acme, "one", "two")
    old(globex, "not mine")
    said = manager.post(PREVIEW, {}).json()
    assert (said["archived"], said["kept"]) == (2, 0)
    [group] = said["groups"]
    assert group["reason"] == "older than 90 days and importance below 0.3"
    assert {each["excerpt"] for each in group["examples"]} == {"one", "two"}
    done = manager.post(RUN, {})
    assert done.status_code == 200
    body = done.json()
    assert (body["archived"], body["deleted"], body["kept"], body["status"]) == (2, 0, 0, "done")
    assert Message.objects.filter(tenant=globex).count() == 1
    shown = manager.get(f"{RUNS}/{body['run_id']}").json()
    assert (shown["archived"], shown["trigger"], shown["tenant_id"]) == (2, "api", "acme")
    back = manager.post(f"{RUNS}/{body['run_id']}/restore", {})
    assert (back.status_code, back.json()["restored"]) == (200, 2)
    assert [run["kind"] for run in manager.get(RUNS).json()["runs"]] == ["restore", "enforce"]


def test_search_forgets_and_remembers_with_it(manager, acme):
    old(acme, "The harbour opens at nine")
    search = "/v1/memory/search"
    before = manager.get(search, query="harbour")
    assert len(before.json()["results"]) == 1
    run_id = manager.post(RUN, {}).json()["run_id"]
    assert manager.get(search, query="harbour").json()["results"] == []
    manager.post(f"{RUNS}/{run_id}/restore", {})
    after = manager.get(search, query="harbour").json()
    assert [hit["id"] for hit in after["results"]] == [hit["id"] for hit in before.json()["results"]]


def test_after_a_restore_every_answer_is_byte_for_byte_as_before(manager, acme, settings):
    settings.ENV = settings.ENV.model_copy(update={"exact_search_vectors": 50, "search_cache_seconds": 0})
    chat(acme, created_at=timezone.now() - timedelta(days=100), importance=0.1)
    call_command("train_codebooks", stdout=StringIO())
    assert len(buckets(acme)) > 1
    as_of = timezone.now().isoformat()

    def answers():
        found = [
            manager.get("/v1/memory/search", query=query, top_k=30, mode=mode, as_of=as_of).content
            for query in QUERIES
            for mode in ("hybrid", "vector", "text")
        ]
        return [*found, manager.get("/v1/messages", limit=100).content]

    tasks.drain()
    before = answers()
    run = manager.post(RUN, {}).json()
    tasks.drain()
    assert run["archived"] == 120
    assert manager.get("/v1/memory/search", query="tea").json()["results"] == []
    manager.post(f"{RUNS}/{run['run_id']}/restore", {})
    tasks.drain()
    assert answers() == before


def test_a_dry_run_changes_nothing(manager, acme):
    old(acme, "one")
    body = manager.post(RUN, {"dry_run": True}).json()
    assert (body["dry_run"], body["archived"], body["run_id"], body["runs"]) == (True, 1, None, [])
    assert not RetentionRun.objects.exists()
    assert Message.objects.filter(tenant=acme).count() == 1


def test_the_operator_means_all_tenants(operator, acme, globex):
    old(acme, "one")
    old(globex, "two")
    globex.suspended_at = timezone.now()
    globex.save()
    body = operator.post(RUN, {}).json()
    assert (body["archived"], len(body["runs"])) == (1, 1)
    assert operator.post(RUN, {"tenant_id": "globex"}).status_code == 403
    assert Message.objects.filter(tenant=globex).exists()


@pytest.mark.parametrize(("path", "body"), CALLS)
def test_it_takes_the_scope_admin(bot, reader, stranger, path, body):
    assert {bot.post(path, body).status_code, reader.post(path, body).status_code} == {403}
    assert bot.get(RUNS).status_code == 403


@pytest.mark.parametrize(("path", "body"), CALLS)
def test_another_tenant_is_out_of_reach(manager, globex, path, body):
    assert manager.post(path, {**body, "tenant_id": "globex"}).status_code == 403


def test_another_tenants_rows_are_unknown(manager, globex):
    [message] = old(globex, "theirs")
    run_id = enforce.run(tenant=globex, trigger="api", started_by="x").id
    assert manager.get(f"{RUNS}/{run_id}").status_code == 404
    assert manager.post(f"{RUNS}/{run_id}/restore", {}).status_code == 404
    assert manager.post(WHY, {"message_id": str(message.id)}).status_code == 404
    assert manager.post(RESTORE, {"message_ids": [str(message.id)]}).json()["restored"] == 0
    assert ArchivedMessage.objects.filter(tenant=globex).count() == 1
    assert manager.get(RUNS).json()["runs"] != []
    assert {run["tenant_id"] for run in manager.get(RUNS).json()["runs"]} == {"acme"}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (RUN, {"dry_run": "maybe"}, "dry_run"),
        (RUN, {"dryrun": True}, "dryrun"),
        (RUN, {"policy_ids": []}, "policy_ids"),
        (RUN, {"policy_ids": [-1]}, "policy_ids.0"),
        (RUN, {"policy_ids": [2**70]}, "policy_ids.0"),
        (PREVIEW, {"at": "tomorrow"}, "at"),
        (WHY, {}, "message_id"),
        (WHY, {"message_id": "x"}, "message_id"),
        (RESTORE, {"message_ids": ["x"]}, "message_ids.0"),
        (RESTORE, {"message_ids": []}, "message_ids"),
    ],
)
def test_bad_input_is_named_and_moves_nothing(manager, acme, path, body, field):
    old(acme, "one")
    answer = manager.post(path, body)
    assert answer.status_code == 400
    assert any(each["field"].replace("[", ".").replace("]", "") == field for each in answer.json()["errors"])
    assert Message.objects.filter(tenant=acme).exists()


@pytest.mark.parametrize("body", [{}, {"conversation_id": "c", "message_ids": [str(uuid4())]}])
def test_a_restore_names_one_thing(manager, body):
    answer = manager.post(RESTORE, body)
    assert answer.status_code == 400
    assert "either conversation_id or message_ids" in answer.content.decode()


def test_a_busy_tenant_answers_409(manager, operator, acme, globex):
    old(acme, "one")
    begun = enforce.begin(tenant=acme, trigger="api", started_by="x")
    assert manager.post(RUN, {}).status_code == 409
    assert manager.post(f"{RUNS}/{begun.id}/restore", {}).status_code == 409
    assert manager.post(RESTORE, {"conversation_id": "conv-1"}).status_code == 409
    body = operator.post(RUN, {}).json()
    assert (body["busy"], body["archived"]) == (["acme"], 0)


def test_a_long_run_answers_202_and_goes_on(manager, acme, monkeypatch):
    old(acme, "one")
    monkeypatch.setattr("retention.run_views.SECONDS", 0.0)
    answer = manager.post(RUN, {})
    assert (answer.status_code, answer.json()["status"]) == (202, "running")
    enforce.resume_interrupted()
    assert manager.get(f"{RUNS}/{answer.json()['run_id']}").json()["status"] == "done"


def test_only_the_named_policies_act(manager, acme):
    old(acme, "one", role="tool")
    first = RetentionPolicy.objects.create(tenant=acme, name="a", older_than_days=1, role="user")
    second = RetentionPolicy.objects.create(tenant=acme, name="b", older_than_days=1)
    assert manager.post(RUN, {"policy_ids": [first.id]}).json()["archived"] == 0
    assert manager.post(RUN, {"policy_ids": [second.id], "dry_run": True}).json()["archived"] == 1


def test_what_was_in_an_answer_counts_as_recalled(manager, acme):
    remember(acme, "The harbour opens at nine")
    remember(acme, "Nobody asks for this one", conversation="elsewhere")
    RetentionPolicy.objects.create(tenant=acme, name="idle", not_recalled_for_days=1)
    Message.objects.update(stored_at=timezone.now() - timedelta(days=2))
    assert manager.post(PREVIEW, {}).json()["archived"] == 2
    manager.get("/v1/memory/search", query="harbour", mode="text", top_k=1)
    assert manager.post(PREVIEW, {}).json()["archived"] == 1
    assert manager.post(RUN, {}).json()["archived"] == 1
    assert Message.objects.get().content == "The harbour opens at nine"


def test_a_preview_of_another_day(manager, acme):
    remember(acme, "new", importance=0.1)
    assert manager.post(PREVIEW, {}).json()["archived"] == 0
    later = (timezone.now() + timedelta(days=91)).isoformat()
    assert manager.post(PREVIEW, {"at": later}).json()["archived"] == 1


def test_why(manager, acme):
    [message] = old(acme, "one", pinned=True)
    answer = manager.post(WHY, {"message_id": str(message.id)}).json()
    assert answer == {"action": "keep", "reason": "pinned", "policy": None, "policy_id": None}
    Message.objects.update(pinned=False)
    answer = manager.post(WHY, {"message_id": str(message.id)}).json()
    assert (answer["action"], answer["policy"]) == ("archive", "default")


def test_pages_of_runs(manager, acme):
    ids = [str(enforce.run(tenant=acme, trigger="api", started_by="x").id) for _ in range(5)]
    first = manager.get(RUNS, limit=3).json()
    rest = manager.get(RUNS, limit=3, cursor=first["next"]).json()
    assert [run["run_id"] for run in first["runs"] + rest["runs"]] == ids[::-1]
    assert rest["next"] is None
    assert manager.get(RUNS, cursor="nonsense").status_code == 400
