"""The preview beside a policy's form: what the policy would do as it stands there, and nothing is stored."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from memories.models import Message
from retention import holds, preview
from retention.admin import drafts
from retention.models import RetentionPolicy, RetentionRun
from tenants.audit_event import AuditEvent
from tests.factories import remember
from tests.integration.test_admin import SCRIPT, url
from tests.integration.test_people import enter as enter
from tests.integration.test_retention_admin import NEW
from tests.schedules import policy

DRAFT = "/admin/policies/draft/"


def send(browser, values: dict):
    return browser.post(DRAFT, urlencode(values), "application/x-www-form-urlencoded")


def ask(browser, **values) -> dict:
    answer = send(browser, values)
    assert answer.status_code == 200, answer.content
    said = answer.json()
    return said["preview"] | {"faults": said["faults"]}


@pytest.fixture
def old(acme):
    """Two messages of 40 days, one of today."""
    made = remember(acme, "old one", SCRIPT, created_at=timezone.now() - timedelta(days=40))
    return made + remember(acme, "new one")


@pytest.fixture
def form(acme) -> dict:
    return NEW | {"tenant": acme.pk}


def test_it_works(root, acme, old, form):
    said = ask(root, **form)
    assert (said["archived"], said["deleted"], said["kept"], said["faults"]) == (2, 0, 1, [])
    [group] = said["groups"]
    assert group["reason"] == "older than 30 days"
    assert {example["excerpt"] for example in group["examples"]} == {"old one", SCRIPT}
    assert not RetentionPolicy.objects.exists()
    assert not RetentionRun.objects.exists()
    assert Message.objects.count() == 3
    event = AuditEvent.objects.get()
    assert (event.action, event.object_kind, event.changes) == ("content.view", "preview", {"rows": 2})


def test_a_stored_one_is_seen_as_the_form_has_it(root, acme, old, form):
    row = policy(acme, older_than_days=1000)
    said = ask(root, **form, policy_id=row.pk)
    assert said["archived"] == 2
    row.refresh_from_db()
    assert row.older_than_days == 1000


def test_others_stand_before_it(root, acme, old, form):
    policy(acme, "keep all", action="keep", older_than_days=None, priority=1)
    said = ask(root, **form)
    assert (said["archived"], said["shadowed_by"]) == (0, "keep all")
    assert ask(root, **form | {"priority": "0"})["archived"] == 2


def test_a_disabled_one_says_so_and_is_counted_all_the_same(root, old, form):
    said = ask(root, **{name: value for name, value in form.items() if name != "enabled"})
    assert (said["enabled"], said["archived"]) == (False, 2)


def test_what_deleting_frees_is_told(root, old, form):
    said = ask(root, **form | {"action": "delete"})
    assert said["deleted"] == 2
    assert said["freed_bytes"] > 0


def test_held_messages_are_told_apart(root, acme, old, form):
    holds.place(tenant=acme, kind="tenant", subject="", reason="7", by="x")
    said = ask(root, **form)
    assert said["archived"] == 0
    assert [(group["action"], group["reason"]) for group in said["groups"]] == [("keep", "legal hold")]


def test_what_does_not_change_the_answer_does_not_hold_it_up(root, acme, old, form):
    policy(acme, "taken", older_than_days=1000)
    for name in ("", "taken"):
        said = ask(root, **form | {"name": name})
        assert said["archived"] == 2
        assert [fault["field"] for fault in said["faults"]] in (["name"], ["__all__"])


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"older_than_days": "-1"}, "older_than_days"),
        ({"older_than_days": ""}, "action"),
        ({"importance_below": "2"}, "importance_below"),
        ({"metadata": "{"}, "metadata"),
        ({"tenant": ""}, "tenant"),
        ({"tenant": "999999"}, "tenant"),
        ({"action": "burn"}, "action"),
        ({"priority": ""}, "priority"),
    ],
)
def test_what_cannot_be_gets_the_forms_own_sentence(root, old, form, values, field):
    said = send(root, form | values).json()
    assert said["preview"] is None
    [fault] = [fault for fault in said["faults"] if fault["field"] == field]
    assert fault["sentence"].endswith(".")


@pytest.mark.parametrize("policy_id", ["0", "x", "9" * 30, "-1"])
def test_a_policy_that_is_not_there_is_said(root, form, policy_id):
    assert send(root, form | {"policy_id": policy_id}).status_code == 404


def test_what_takes_too_long_is_stopped_with_a_sentence(root, old, form, monkeypatch):
    def slow(due):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(5)")
        return []

    monkeypatch.setattr(preview, "_groups", slow)
    monkeypatch.setattr(drafts, "SECONDS", 0.05)
    answer = send(root, form)
    assert answer.status_code == 503
    assert "Narrow the scope" in answer.json()["detail"]


def test_support_looks_at_stored_ones_of_its_tenants_only(enter, acme, globex, old, form):
    ours, theirs = policy(acme), policy(globex)
    browser = enter("support", tenants=[acme])
    assert ask(browser, policy_id=ours.pk, older_than_days="0")["archived"] == 2, "as it is stored"
    assert send(browser, {"policy_id": theirs.pk}).status_code == 404
    assert send(browser, form).status_code == 403


def test_an_operator_bound_to_a_tenant_drafts_for_no_other(enter, acme, globex, form):
    browser = enter("support", "operator", tenants=[acme])
    answer = send(browser, form | {"tenant": globex.pk})
    assert answer.json()["preview"] is None
    assert "globex" not in answer.content.decode()


def test_a_forged_form_is_refused(root, old, form):
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = root.cookies
    assert send(strict, form).status_code == 403


def test_the_page_has_the_preview_and_runs_the_policy_from_there(root, acme, old):
    row = policy(acme)
    page = root.get(url(RetentionPolicy, "change", row.pk)).content.decode()
    assert DRAFT in page
    assert "Run it now" in page
    answer = root.post(url(RetentionPolicy), {"action": "run_now", "_selected_action": row.pk})
    assert str(RetentionRun.objects.get().id) in answer.headers["Location"]


def test_a_preview_asks_few_queries(root, old, form, django_assert_max_num_queries):
    with django_assert_max_num_queries(30):
        ask(root, **form)
