"""The audit trail and the admin: what is done by hand and what is looked at is in it, and it is only read."""

from datetime import timedelta

import pytest
from django.utils import timezone

from memories.models import ArchivedMessage, Message
from retention import holds
from retention.models import RetentionPolicy
from tenants import lifecycle
from tenants.audit_event import AuditEvent
from tenants.models import ApiKey, Tenant
from tests.factories import remember
from tests.integration.test_admin import url
from tests.integration.test_archive import archive_all
from tests.integration.test_retention_admin import NEW
from tests.schedules import policy

LIST = url(AuditEvent)


def left(**where) -> list[tuple]:
    """What the admin's user left: action, kind of object, changes."""
    events = AuditEvent.objects.filter(actor_kind="admin", actor="root", **where).order_by("id")
    assert not any(event.request_id == "" for event in events)
    return list(events.values_list("action", "object_kind", "changes"))


def test_it_works(root, acme):
    root.post(url(Tenant, "add"), {"name": "newco", "language": "english"})
    event = AuditEvent.objects.get(action="tenant.create")
    assert (event.actor_kind, event.actor, event.tenant_id) == (
        "admin",
        "root",
        Tenant.objects.get(name="newco").pk,
    )
    page = root.get(LIST).content.decode()
    assert "tenant.create" in page
    assert "newco" in page
    assert root.get(url(AuditEvent, "change", event.pk)).status_code == 200


def test_tenants_changed_by_hand(root, acme):
    form = {"name": "acme", "language": "english", "half_life_days": "9"}
    root.post(url(Tenant, "change", acme.pk), form)
    root.post(url(Tenant, "change", acme.pk), form)
    now = {"suspended_at_0": "2026-01-01", "suspended_at_1": "00:00:00"}
    root.post(url(Tenant, "change", acme.pk), form | now)
    root.post(url(Tenant, "change", acme.pk), form)
    assert left() == [
        ("tenant.update", "tenant", {"fields": ["half_life_days"]}),
        ("tenant.suspend", "tenant", {"fields": ["suspended_at"]}),
        ("tenant.resume", "tenant", {"fields": ["suspended_at"]}),
    ]


def test_keys_changed_by_hand(root, acme):
    root.post(url(ApiKey, "add"), {"tenant": acme.pk, "scopes": ["read"]})
    key = ApiKey.objects.get()
    root.post(url(ApiKey, "change", key.pk), {"name": "secret plan", "scopes": ["read"]})
    for action in ("rotate", "revoke", "delete_selected"):
        root.post(url(ApiKey), {"action": action, "_selected_action": [key.pk], "post": "yes"})
    assert [action for action, *_ in left()] == [
        "key.issue",
        "key.update",
        "key.rotate",
        "key.revoke",
        "key.delete",
    ]
    assert {event.object_id for event in AuditEvent.objects.all()} == {key.prefix}
    assert "secret plan" not in str(list(AuditEvent.objects.values()))


def test_policies_and_holds_changed_by_hand(root, acme):
    hold = holds.place(tenant=acme, kind="user", subject="ann", reason="7", by="x")
    root.post(url(RetentionPolicy, "add"), NEW | {"tenant": acme.pk})
    row = RetentionPolicy.objects.get()
    root.post(url(RetentionPolicy, "change", row.pk), NEW | {"older_than_days": "31"})
    root.post(url(RetentionPolicy, "delete", row.pk), {"post": "yes"})
    root.post("/admin/retention/legalhold/", {"action": "release", "_selected_action": [hold.pk]})
    assert left() == [
        ("policy.create", "policy", {}),
        ("policy.update", "policy", {"fields": ["older_than_days"]}),
        ("policy.delete", "policy", {}),
        ("hold.release", "hold", {}),
    ]


def test_messages_changed_by_hand(root, acme):
    first, second, third = remember(acme, "one", "two", "three")
    root.post(url(Message, "change", first.pk), {"metadata": "{}", "importance": "0.9"})
    root.post(url(Message, "delete", first.pk), {"post": "yes"})
    chosen = [second.pk, third.pk]
    root.post(url(Message), {"action": "delete_selected", "_selected_action": chosen, "post": "yes"})
    assert [action for action, *_ in left(object_kind="message") if action != "content.view"] == [
        "message.edit",
        "message.delete",
        "message.delete",
        "message.delete",
    ]
    assert not Message.objects.exists()


@pytest.mark.parametrize("model", [Message, ArchivedMessage])
def test_a_look_at_content_is_noted(root, acme, globex, model):
    for tenant in (acme, globex):
        made = remember(tenant, "one", "two", conversation="conv-1")
        if model is ArchivedMessage:
            archive_all(tenant, *made)
    row = model.objects.filter(tenant=acme).first()
    assert root.get(url(model, "change", row.pk)).status_code == 200
    event = AuditEvent.objects.get(action="content.view")
    assert (event.tenant_id, event.object_id) == (acme.pk, str(row.id))
    assert event.changes == ({"rows": 2} if model is Message else {}), "its neighbours were shown too"
    assert root.get(url(model)).status_code == 200
    kind = model._meta.model_name
    assert left(action="content.view", object_id="") == [("content.view", kind, {"rows": 2})] * 2
    root.get(url(model), {"q": "nothing of that kind"})
    assert len(left(action="content.view")) == 3, "nothing was shown"


def test_a_preview_with_examples_is_a_look(root, acme):
    remember(acme, "old tea", created_at=timezone.now() - timedelta(days=50))
    row = policy(acme, "old", older_than_days=30)
    root.post(url(RetentionPolicy), {"action": "preview_run", "_selected_action": [row.pk]})
    assert left() == [("content.view", "preview", {"rows": 1})]


def test_a_stranger_looks_at_nothing_and_leaves_nothing(client, acme):
    [message] = remember(acme, "one")
    client.get(url(Message, "change", message.pk))
    assert not AuditEvent.objects.exists()


def test_it_is_read_only(root, acme):
    lifecycle.create_key(tenant=acme, scopes=["read"])
    event = AuditEvent.objects.get()
    assert root.get(url(AuditEvent, "add")).status_code == 403
    assert root.post(url(AuditEvent, "change", event.pk), {"actor": "nobody"}).status_code == 403
    assert root.post(url(AuditEvent, "delete", event.pk), {"post": "yes"}).status_code == 403
    root.post(LIST, {"action": "delete_selected", "_selected_action": [event.pk], "post": "yes"})
    assert AuditEvent.objects.get().actor == event.actor


def test_it_is_searched_by_object_actor_and_tenant(root, acme, globex):
    key, _ = lifecycle.create_key(tenant=acme, scopes=["read"])
    lifecycle.create_key(tenant=globex, scopes=["read"])
    for term, rows in ((key.prefix, 1), ("acme", 1), ("root", 2), ("nobody", 0), ("", 2)):
        page = root.get(LIST, {"q": term}).content.decode()
        assert page.count("field-what") == rows, term
    assert "key.issue" in root.get(LIST, {"action": "key.issue"}).content.decode()


def test_a_list_asks_few_queries(root, acme, django_assert_max_num_queries):
    for _ in range(20):
        lifecycle.create_key(tenant=acme, scopes=["read"])
    with django_assert_max_num_queries(6):
        root.get(LIST)
