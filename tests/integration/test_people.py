"""The admin's people: operators do everything, auditors look, support sees its tenants and knows of no others."""

import io

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from memories.models import ArchivedMessage, EmbeddingJob, Message
from memory_layer import groups
from memory_layer.checks import check_groups
from retention import holds
from retention.models import ErasureReceipt, LegalHold, RetentionPolicy, RetentionRun
from tenants import people, support
from tenants.admin_pages import TenantOwned
from tenants.audit_event import AuditEvent
from tenants.lifecycle import create_key
from tenants.models import ApiKey, SupportTenant, Tenant
from tests.conftest import HANDLER
from tests.factories import remember
from tests.integration.test_admin import url
from tests.integration.test_archive import archive_all
from tests.schedules import policy

SHOWN = [
    Tenant,
    ApiKey,
    Message,
    ArchivedMessage,
    EmbeddingJob,
    RetentionPolicy,
    RetentionRun,
    LegalHold,
    ErasureReceipt,
]


@pytest.fixture
def enter(db):
    """enter("support", acme): a browser of somebody in that group, who may see these tenants."""
    groups.grant()

    def log_in(*names: str, tenants=()) -> Client:
        user = User.objects.create(username=f"one of {' and '.join(names)}", is_staff=True)
        user.groups.set(Group.objects.filter(name__in=names))
        SupportTenant.objects.bulk_create(SupportTenant(user=user, tenant=each) for each in tenants)
        client = Client()
        client.handler = HANDLER
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def rows(acme, globex) -> dict:
    """One of everything of acme and of globex, with the tenant's name in it: {tenant: {model: row}}."""
    made = {}
    for tenant in (acme, globex):
        name = f"{tenant.name}-chat"
        create_key(tenant=tenant, scopes=["read"], name=name)
        remember(tenant, f"said in {name}", conversation=name)
        archive_all(tenant, *remember(tenant, f"archived in {name}", conversation=name))
        policy(tenant, name, older_than_days=1)
        RetentionRun.objects.create(
            tenant=tenant, status="done", trigger="api", started_by=name, decided_at=timezone.now()
        )
        holds.place(tenant=tenant, kind="conversation", subject=name, reason=name, by=name)
        now = timezone.now()
        ErasureReceipt.objects.create(
            tenant_id=tenant.pk,
            kind="user",
            counts={},
            requested_by=name,
            started_at=now,
            finished_at=now,
            verified=True,
        )
        own = {model: model.objects.filter(tenant_id=tenant.pk).first() for model in SHOWN[1:]}
        made[tenant.name] = {Tenant: tenant} | own
    create_key(tenant=None, scopes=["read"], name="globex-operator")
    return made


def test_it_works(enter, rows, acme):
    browser = enter("support", tenants=[acme])
    index = browser.get("/admin/").content.decode()
    assert all(url(model) in index for model in SHOWN)
    assert url(AuditEvent) not in index
    page = browser.get(url(Message, "change", rows["acme"][Message].pk))
    assert "said in acme-chat" in page.content.decode()


@pytest.mark.parametrize("model", SHOWN)
def test_support_sees_its_tenants_and_knows_of_no_others(enter, rows, acme, model):
    browser, ours, theirs = enter("support", tenants=[acme]), rows["acme"][model], rows["globex"][model]
    listed = browser.get(url(model)).content.decode()
    assert url(model, "change", ours.pk) in listed
    assert url(model, "change", theirs.pk) not in listed
    assert "globex" not in listed
    assert browser.get(url(model, "change", ours.pk)).status_code == 200
    for page in ("change", "history", "delete"):
        known = browser.get(url(model, page, theirs.pk))
        assert known.status_code in (403, 404), page
        assert (page, known.status_code) != ("change", 403)
        assert "globex" not in known.content.decode()
    for search in ("globex", "globex-chat", str(theirs.pk)):
        page = browser.get(url(model), {"q": search}).content.decode()
        assert url(model, "change", theirs.pk) not in page


@pytest.mark.parametrize("given", [(), ("globex",)])
def test_support_without_that_tenant_sees_nothing_of_it(enter, rows, given):
    browser = enter("support", tenants=Tenant.objects.filter(name__in=given))
    for model in SHOWN:
        assert browser.get(url(model, "change", rows["acme"][model].pk)).status_code == 404, model
        assert "acme" not in browser.get(url(model)).content.decode(), model


def test_actions_reach_no_others(enter, rows, acme):
    EmbeddingJob.objects.update(buried_at=timezone.now())
    browser = enter("support", tenants=[acme])
    chosen = [each[EmbeddingJob].pk for each in rows.values()]
    browser.post(url(EmbeddingJob), {"action": "try_again", "_selected_action": chosen})
    assert list(EmbeddingJob.objects.filter(buried_at=None).values_list("tenant__name", flat=True)) == [
        "acme"
    ]


def test_with_more_rights_support_still_chooses_among_its_tenants(enter, rows, acme, globex):
    browser = enter("support", tenants=[acme])
    user = User.objects.get(username="one of support")
    user.user_permissions.set(Permission.objects.all())
    for model, form in (
        (ApiKey, {"scopes": ["read"]}),
        (LegalHold, {"kind": "user", "subject": "ann", "reason": "7"}),
        (
            RetentionPolicy,
            {"name": "x", "priority": 1, "metadata": "{}", "older_than_days": 1, "action": "keep"},
        ),
    ):
        before = model.objects.count()
        answer = browser.post(url(model, "add"), form | {"tenant": globex.pk})
        assert "Select a valid choice" in answer.content.decode(), model
        named = browser.get(url(model, "add"), {"tenant": globex.pk})
        assert "globex" not in answer.content.decode() + named.content.decode(), model
        assert model.objects.count() == before
        browser.post(url(model, "add"), form | {"tenant": acme.pk})
        assert model.objects.count() == before + 1, model
    for model in (Message, RetentionPolicy, ApiKey):
        chosen = {"_selected_action": [rows["globex"][model].pk], "action": "delete_selected", "post": "yes"}
        browser.post(url(model), chosen)
        assert model.objects.filter(pk=rows["globex"][model].pk).exists()
    names = browser.get(url(ArchivedMessage)).content.decode()
    assert "globex" not in names, "filters list policies"


def test_a_key_for_all_tenants_is_not_issued_by_support(enter, acme):
    browser = enter("support", tenants=[acme])
    User.objects.get(username="one of support").user_permissions.set(Permission.objects.all())
    assert browser.post(url(ApiKey, "add"), {"scopes": ["admin"]}).status_code == 200
    assert not ApiKey.objects.exists()


def test_another_group_does_not_loosen_support_and_a_superuser_is_not_bound(enter, rows, acme):
    browser = enter("support", "operator", tenants=[acme])
    assert browser.get(url(Message, "change", rows["globex"][Message].pk)).status_code == 404
    User.objects.update(is_superuser=True)
    assert browser.get(url(Message, "change", rows["globex"][Message].pk)).status_code == 200


def test_an_auditor_looks_at_everything_and_changes_nothing(enter, rows, acme):
    browser = enter("auditor")
    for model in [*SHOWN, AuditEvent]:
        row = model.objects.first()
        assert browser.get(url(model)).status_code == 200, model
        assert browser.get(url(model, "change", row.pk)).status_code == 200, model
        assert browser.get(url(model, "add")).status_code == 403, model
        assert browser.post(url(model, "change", row.pk), {}).status_code == 403, model
        assert browser.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 403, model
    chosen = {"_selected_action": [rows["acme"][RetentionPolicy].pk]}
    for action in ("run_now", "preview_run"):
        browser.post(url(RetentionPolicy), chosen | {"action": action})
    assert RetentionRun.objects.count() == 2


def test_an_operator_does_everything(enter, acme):
    browser = enter("operator")
    assert all(
        browser.get(url(model, "add")).status_code == 200 for model in (Tenant, ApiKey, LegalHold, User)
    )
    browser.post(url(Tenant, "change", acme.pk), {"name": "acme", "language": "german"})
    assert Tenant.objects.get().language == "german"
    assert browser.get(url(AuditEvent)).status_code == 200


def test_every_page_of_tenants_rows_is_bound():
    """A page that comes later is found here."""
    for model, page in admin.site._registry.items():
        columns = {field.column for field in model._meta.concrete_fields}
        if model is Tenant or "tenant_id" in columns:
            assert isinstance(page, TenantOwned), model


def test_a_change_of_a_person_is_in_the_audit_trail(root, acme):
    groups.grant()
    form = {"username": "sue", "usable_password": "false", "password1": "", "password2": ""}
    root.post(reverse("admin:auth_user_add"), form)
    sue = User.objects.get(username="sue")
    page = reverse("admin:auth_user_change", args=[sue.pk])
    inline = {f"support_tenants-{name}_FORMS": number for name, number in (("TOTAL", 1), ("INITIAL", 0))}
    member = {"username": "sue", "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00", "is_staff": "on"}
    chosen = {"groups": [Group.objects.get(name=support.SUPPORT).pk], "support_tenants-0-tenant": acme.pk}
    answer = root.post(page, member | inline | chosen)
    assert answer.status_code == 302, answer.content.decode()
    assert SupportTenant.objects.get().tenant == acme
    root.post(reverse("admin:auth_user_delete", args=[sue.pk]), {"post": "yes"})
    events = AuditEvent.objects.filter(object_kind="person", object_id=str(sue.pk)).order_by("id")
    assert [(event.action, event.changes.get("fields")) for event in events] == [
        ("person.create", None),
        ("person.update", ["date_joined", "groups", "is_active", "is_staff"]),
        ("person.update", ["support_tenants"]),
        ("person.delete", None),
    ]
    assert "sue" not in str(list(AuditEvent.objects.values()))


def test_a_changed_password_is_in_the_audit_trail_and_a_refused_one_is_not(root, settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    sue = User.objects.create(username="sue")
    page = reverse("admin:auth_user_password_change", args=[sue.pk])
    for word in ("123", "xylophone 7391 tea"):
        root.post(page, {"password1": word, "password2": word, "usable_password": "true"})
    assert root.get(page.replace(str(sue.pk), "nobody")).status_code == 404
    [event] = AuditEvent.objects.filter(object_kind="person")
    assert (event.action, event.changes) == ("person.update", {"fields": ["password"]})


def test_a_password_is_not_changed_without_its_event(root, settings, monkeypatch):
    def full(*args, **options):
        raise RuntimeError("disk full")

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    root.raise_request_exception = False
    sue = User.objects.create(username="sue", password="!")
    monkeypatch.setattr(people.audit, "record", full)
    word = "xylophone 7391 tea"
    form = {"password1": word, "password2": word, "usable_password": "true"}
    assert root.post(reverse("admin:auth_user_password_change", args=[sue.pk]), form).status_code == 500
    assert User.objects.get(username="sue").password == "!"


def test_the_migration_made_the_groups_with_all_their_permissions(db):
    assert set(Group.objects.values_list("name", flat=True)) >= set(groups.GROUPS)
    assert groups.lacking() == {}
    assert Group.objects.get(name="operator").permissions.count() == Permission.objects.count()
    assert not Group.objects.get(name="auditor").permissions.exclude(codename__startswith="view_").exists()
    named = sum(map(len, groups._SUPPORT.values()))
    assert Group.objects.get(name="support").permissions.count() == named


def test_a_table_that_came_later_is_named_and_granted(db):
    groups.grant()
    view = Permission.objects.get(codename="view_auditevent")
    for group in Group.objects.filter(name__in=["operator", "auditor"]):
        group.permissions.remove(view)
    found = check_groups(databases=["default"])
    assert [(each.id, each.msg) for each in found] == [
        ("memory_layer.W002", f"The admin's group {name} lacks tenants.view_auditevent.")
        for name in ("auditor", "operator")
    ]
    out = io.StringIO()
    call_command("grant_groups", stdout=out)
    assert "auditor: tenants.view_auditevent\n" in out.getvalue()
    assert check_groups(databases=["default"]) == []


def test_a_group_that_somebody_removed_is_not_missed(db):
    Group.objects.filter(name="support").delete()
    assert check_groups(databases=["default"]) == []
