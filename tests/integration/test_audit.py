"""The audit trail: each change has its event, in its transaction, without content, for good."""

import getpass
import threading

import pytest
import time_machine
from django.core.management import call_command
from django.db import ProgrammingError, connection, transaction

from memories.models import EmbeddingJob, Message
from memory_layer.celery import app
from retention.models import LegalHold, RetentionPolicy
from tenants import actors, audit, isolation, lifecycle, remembered
from tenants.audit_actions import ActorKind, AuditAction
from tenants.audit_event import AuditEvent
from tenants.models import ApiKey, Tenant
from tests.factories import remember
from tests.integration import test_isolation as every
from tests.schedules import NIGHT, NOON, run_due

secret, document = every.secret, every.document

EVENTS = {
    ("/v1/messages/{message_id}", "patch"): "message.edit",
    ("/v1/messages/{message_id}", "delete"): "message.delete",
    ("/v1/conversations/{conversation_id}", "delete"): "conversation.erase",
    ("/v1/users/{user_id}", "delete"): "user.erase",
    ("/v1/users/{user_id}/export", "get"): "user.export",
    ("/v1/admin/policies", "post"): "policy.create",
    ("/v1/admin/policies/{policy_id}", "patch"): "policy.update",
    ("/v1/admin/policies/{policy_id}", "delete"): "policy.delete",
    ("/v1/admin/holds", "post"): "hold.place",
    ("/v1/admin/holds/{hold_id}/release", "post"): "hold.release",
    ("/v1/admin/retention/run", "post"): "retention.run",
    ("/v1/admin/retention/restore", "post"): "retention.restore",
    ("/v1/admin/retention/runs/{run_id}/restore", "post"): "retention.restore",
    ("/v1/admin/tenants", "post"): "tenant.create",
    ("/v1/admin/tenants/{name}", "patch"): "tenant.update",
    ("/v1/admin/tenants/{name}", "delete"): "tenant.erase",
    ("/v1/admin/keys", "post"): "key.issue",
    ("/v1/admin/keys/{prefix}", "delete"): "key.revoke",
    ("/v1/admin/keys/{prefix}/rotate", "post"): "key.rotate",
}
NO_EVENT = {
    "/v1/messages": "ordinary ingest",
    "/v1/messages/batch": "ordinary ingest",
    "/v1/memory/search": "reads",
    "/v1/memory/explain": "reads",
    "/v1/memory/context": "reads",
    "/v1/admin/retention/preview": "reads",
    "/v1/admin/retention/explain": "reads",
    "/v1/admin/jobs/replay": "work that was given up is tried again: nothing of a tenant changes",
}
MESSAGE = "01932c07-2f1c-7c3e-8f00-000000007391"
CONTENT = (every.MARKER, "acme-conv", "acme-user", "acme-1", "overwritten", "mine")


def events(**where) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(**where).order_by("id"))


def test_every_operation_leaves_its_event_and_no_content(operator, acme, secret, document, monkeypatch):
    monkeypatch.setattr("retention.erasure.REMEMBERED_SECONDS", 0.0)
    for path, method in every.operations(document):
        tenant_id = "newco" if (path, method) == ("/v1/admin/tenants", "post") else "acme"
        mark = transaction.savepoint()
        if not path.endswith("/release"):
            LegalHold.objects.all().delete()  # it would refuse
        before = AuditEvent.objects.count()
        if EVENTS.get((path, method)) == "tenant.erase":
            answer = operator.delete("/v1/admin/tenants/acme?confirm=acme")
        else:
            answer = every.call(operator, method, path, secret, tenant_id)
        every.content_of(answer)
        expected = [EVENTS[path, method]] if (path, method) in EVENTS else []
        assert not expected or answer.status_code < 400, f"{method} {path}: {answer.content!r}"
        left = list(AuditEvent.objects.order_by("id"))[before:]
        assert [event.action for event in left] == expected, f"{method} {path}"
        assert expected or method == "get" or path in NO_EVENT, f"say what {method} {path} leaves, or why not"
        for event in left:
            assert event.actor == ApiKey.objects.get(tenant=None).prefix
            assert (event.actor_kind, event.request_id) == ("key", answer["X-Request-ID"])
            assert event.tenant_id == (Tenant.objects.get(name="newco") if tenant_id == "newco" else acme).pk
            assert event.object_kind
            assert event.object_id
            assert not [text for text in CONTENT if text in str(vars(event))], f"{method} {path}"
        transaction.savepoint_rollback(mark)
        remembered.forget()


def test_what_changed_is_named_and_not_told(manager, acme):
    [message] = remember(acme, "tea")
    manager.patch(f"/v1/messages/{message.id}", {"content": "green tea", "pinned": True})
    manager.patch("/v1/admin/tenants/acme", {"search_mode": "text", "half_life_days": None})
    edit, update = events(actor_kind="key")
    assert (edit.object_kind, edit.object_id) == ("message", str(message.id))
    assert edit.changes == {"fields": ["content", "pinned"]}
    assert update.changes == {"fields": ["search_mode"]}, "what was the same before has not changed"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/v1/messages/01932c07-2f1c-7c3e-8f00-000000000001", {"pinned": True}),
        ("DELETE", "/v1/messages/01932c07-2f1c-7c3e-8f00-000000000001", {}),
        ("PATCH", f"/v1/messages/{MESSAGE}", {"pinned": False, "content": "tea"}),
        ("PATCH", f"/v1/admin/policies/{every.POLICY_ID}", {"name": "old", "schedule": None}),
        ("PATCH", "/v1/admin/tenants/acme", {"half_life_days": -1}),
        ("PATCH", "/v1/admin/tenants/acme", {"suspended": False}),
        ("POST", "/v1/admin/policies", {"tenant_id": "acme", "name": "no rule"}),
        ("POST", "/v1/admin/holds", {"tenant_id": "acme", "kind": "user", "reason": "nobody named"}),
        ("POST", "/v1/admin/tenants", {"tenant_id": "acme"}),
        ("POST", "/v1/admin/keys", {"tenant_id": "acme", "scopes": []}),
    ],
    ids=str,
)
def test_what_is_refused_or_changes_nothing_leaves_none(operator, acme, method, path, body):
    RetentionPolicy.objects.create(id=every.POLICY_ID, tenant=acme, name="old", older_than_days=9)
    remember(acme, "tea")
    EmbeddingJob.objects.all().delete()
    Message.objects.update(id=MESSAGE)
    before = len(events())
    one = path.startswith(("/v1/messages/", "/v1/admin/policies/"))
    answer = operator._send(method, path + ("?tenant_id=acme" if one else ""), body)
    assert answer.status_code in (200, 400, 404, 409), answer.content
    assert len(events()) == before


def test_an_event_that_cannot_be_written_undoes_the_change(manager, acme, monkeypatch):
    [message] = remember(acme, "tea")

    def full(*args, **options):
        raise ProgrammingError("disk full")

    monkeypatch.setattr(AuditEvent, "save", full)
    for send in (
        lambda: manager.delete(f"/v1/messages/{message.id}"),
        lambda: manager.patch("/v1/admin/tenants/acme", {"search_mode": "text"}),
        lambda: manager.post("/v1/admin/policies", {"name": "old", "older_than_days": 1}),
    ):
        assert send().status_code == 500
    monkeypatch.undo()
    assert manager.get(f"/v1/messages/{message.id}").status_code == 200
    assert Tenant.objects.get().search_mode == ""
    assert [each["id"] for each in manager.get("/v1/admin/policies").json()["policies"]] == [None]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tenants_auditevent SET actor = 'nobody'",
        "DELETE FROM tenants_auditevent",
        "DELETE FROM tenants_auditevent WHERE false",
        "TRUNCATE tenants_auditevent",
        "INSERT INTO tenants_auditevent (id, action, actor_kind, actor, request_id, object_kind, object_id, changes) "
        "SELECT id, action, actor_kind, 'nobody', '', '', '', '{}' FROM tenants_auditevent "
        "ON CONFLICT (id) DO UPDATE SET actor = EXCLUDED.actor",
    ],
)
def test_the_database_refuses_to_the_owner_to_change_it(acme, statement):
    lifecycle.create_key(tenant=acme, scopes=["read"])
    with isolation.reaching(isolation.LOGIN), connection.cursor() as cursor:
        cursor.execute(
            "SELECT tableowner = current_user FROM pg_tables WHERE tablename = 'tenants_auditevent'"
        )
        assert cursor.fetchone()[0]
    with (
        isolation.reaching(isolation.LOGIN),
        pytest.raises(ProgrammingError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert [event.action for event in events()] == ["key.issue"]


def test_a_tenant_that_is_gone_keeps_its_events(operator, acme, monkeypatch):
    monkeypatch.setattr("retention.erasure.REMEMBERED_SECONDS", 0.0)
    tenant_id = acme.pk
    call_command("erase_tenant", "acme", "--yes")
    [event] = events(tenant_id=tenant_id)
    assert (event.action, event.actor_kind, event.actor) == ("tenant.erase", "command", getpass.getuser())
    [shown] = operator.get("/v1/admin/audit", action="tenant.erase").json()["events"]
    assert (shown["tenant_id"], shown["object_id"]) == (None, event.object_id)
    [receipt] = operator.get("/v1/admin/receipts").json()["receipts"]
    assert receipt["subject_digest"] == event.object_id


def test_a_tenant_made_by_its_first_message_is_noted(operator):
    body = {"tenant_id": "newco", "conversation_id": "c", "role": "user", "content": "hi"}
    assert operator.post("/v1/messages", body).status_code == 201
    assert operator.post("/v1/messages", body).status_code == 201
    assert [event.object_id for event in events(action="tenant.create")] == [str(Tenant.objects.get().pk)]


def test_a_task_acts_as_the_schedule(acme):
    remember(acme, "tea")
    run_due(NOON)
    with time_machine.travel(NIGHT, tick=False):
        app.tasks["retention.tasks.run_due"].apply()
    [event] = events(action="retention.run")
    assert (event.actor_kind, event.actor) == ("schedule", "retention.tasks.run_due")


def test_threads_do_not_take_each_other_for_the_actor(db):
    met, said = threading.Barrier(2), {}

    def act(name: str) -> None:
        actors.acting(ActorKind.KEY, name)
        met.wait(10)
        said[name] = actors.current().name

    threads = [threading.Thread(target=act, args=[name]) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == {"one": "one", "two": "two"}
    assert actors.current().kind == ActorKind.COMMAND


@pytest.mark.parametrize(
    "changes",
    [{"content": "I love tea"}, {"fields": ["I love tea"]}, {"user": "ann@example.com"}, {"a b": 1}],
)
def test_what_could_be_content_is_refused(db, changes):
    with pytest.raises(ValueError, match="names of fields, counts and ids only"):
        audit.record(AuditAction.MESSAGE_EDIT, tenant_id=1, changes=changes)
    assert not events()
