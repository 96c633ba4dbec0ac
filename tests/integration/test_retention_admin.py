"""The admin pages of retention: policies are made here, holds placed and released, records only looked at."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from memories.models import ArchivedMessage
from retention import enforce, holds, tasks
from retention.models import ErasureReceipt, LegalHold, RetentionPolicy, RetentionRun
from tenants import admin_pages as pages
from tests.factories import remember
from tests.integration.test_admin import SCRIPT, url
from tests.schedules import NOON, crontab, every, policy, run_due

MODELS = [RetentionPolicy, LegalHold, RetentionRun, ArchivedMessage, ErasureReceipt]
RECORDS = [RetentionRun, ArchivedMessage, ErasureReceipt]
NEW = {
    "name": "old",
    "enabled": "on",
    "priority": "100",
    "metadata": "{}",
    "older_than_days": "30",
    "action": "archive",
}


@pytest.fixture
def rows(acme) -> None:
    """One of everything, with a script wherever there is text."""
    fields = {"conversation": SCRIPT, "user_id": "ann", "created_at": timezone.now() - timedelta(days=40)}
    remember(acme, SCRIPT, "other", external_id=None, **fields)
    policy(acme, SCRIPT, conversation_prefix=SCRIPT, metadata={}, crontab=crontab("0 4 * * *"))
    enforce.run(tenant=acme, trigger="admin", started_by=SCRIPT)
    holds.place(tenant=acme, kind="user", subject=SCRIPT, reason=SCRIPT, by=SCRIPT)
    now = timezone.now()
    ErasureReceipt.objects.create(
        tenant_id=acme.id, kind="user", counts={}, started_at=now, finished_at=now, verified=True
    )


def text(answer) -> str:
    assert answer.status_code == 200, answer
    return answer.content.decode()


def test_it_works(root):
    index = text(root.get("/admin/"))
    assert all(url(model) in index for model in MODELS)


@pytest.mark.parametrize("model", MODELS)
def test_every_list_and_page_opens_and_shows_text_as_text(root, rows, model):
    row = model.objects.first()
    for path in (url(model), url(model, "change", row.pk), url(model, "history", row.pk)):
        page = text(root.get(path))
        assert "<script>alert" not in page, path
        assert not re.search(r"(?:src|href)=[\"'](?:https?:)?//", page), path


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "words", ["xylophone", "01932c07-2f1c-7c3e-8f00-000000000001", "'\"%_\\", "é 🧠", "7", "\0"]
)
def test_any_text_can_be_searched_for(root, rows, model, words):
    assert root.get(url(model), {"q": words}).status_code == 200


@pytest.mark.parametrize("model", RECORDS)
def test_records_are_neither_added_nor_changed_nor_deleted(root, rows, model):
    row = model.objects.first()
    for path in (url(model, "add"), url(model, "change", row.pk), url(model, "delete", row.pk)):
        assert root.post(path, {"post": "yes"}).status_code == 403
    assert model.objects.filter(pk=row.pk).exists()
    assert "delete_selected" not in text(root.get(url(model)))


def test_a_policy_is_made_and_shown_in_words(root, acme):
    page = text(root.get(url(RetentionPolicy, "add")))
    assert all("<h2" in page and word in page for word in ("Scope", "Rules", "Action", "Schedule"))
    interval = every(6)
    made = NEW | {"tenant": acme.pk, "interval": interval.pk, "importance_below": "0.4"}
    assert root.post(url(RetentionPolicy, "add"), made).status_code == 302
    run_due(NOON)
    listed = text(root.get(url(RetentionPolicy)))
    assert "older than 30 days and importance below 0.4" in listed
    assert "every 6 hours" in listed
    assert "2026-06-10 18:00" in listed


def test_a_schedule_is_edited_where_the_policy_is(root, acme):
    row = policy(acme, interval=every(6))
    page = text(root.get(url(RetentionPolicy, "change", row.pk)))
    assert url(IntervalSchedule, "add") in page
    assert url(CrontabSchedule, "add") in page
    nightly = crontab("0 4 * * *", "Europe/Berlin")
    changed = NEW | {"interval": "", "crontab": nightly.pk}
    assert root.post(url(RetentionPolicy, "change", row.pk), changed).status_code == 302
    row.refresh_from_db()
    assert (row.interval, row.crontab) == (None, nightly)


@pytest.mark.parametrize(
    "values",
    [
        {"older_than_days": ""},
        {"older_than_days": "-1"},
        {"older_than_days": "nan"},
        {"importance_below": "1.5"},
        {"keep_newest": "0"},
        {"metadata": "[]"},
        {"metadata": '{"a": "\\u0000"}'},
        {"metadata": '{"a": NaN}'},
        {"metadata": "{"},
        {"name": ""},
        {"name": "taken"},
        {"name": "a\x1bb"},
        {"conversation_prefix": "x" * 256},
        {"tenant": "999999"},
        {"tenant": ""},
        {"action": "burn"},
        {"interval": "1", "crontab": "1"},
    ],
)
def test_a_policy_that_cannot_be_is_refused(root, acme, values):
    policy(acme, "taken")
    IntervalSchedule.objects.create(id=1, every=1, period="days")
    CrontabSchedule.objects.create(id=1)
    answer = root.post(url(RetentionPolicy, "add"), NEW | {"tenant": acme.pk} | values)
    assert answer.status_code == 200
    assert answer.context["errors"]
    assert RetentionPolicy.objects.count() == 1


@pytest.mark.parametrize("line", ["0 0 30 2 *", "0 0 * * 7", "0 0 29 2 1"])
def test_a_crontab_that_never_fires_is_refused(root, acme, line):
    answer = root.post(url(RetentionPolicy, "add"), NEW | {"tenant": acme.pk, "crontab": crontab(line).pk})
    assert "Choose another crontab" in text(answer)


def test_a_policy_stays_with_its_tenant(root, acme, globex):
    row = policy(acme)
    assert root.post(url(RetentionPolicy, "change", row.pk), NEW | {"tenant": globex.pk}).status_code == 302
    row.refresh_from_db()
    assert row.tenant == acme


def test_a_schedule_in_use_is_not_deleted(root, acme):
    for field, row in (("interval", every(6)), ("crontab", crontab("0 4 * * *"))):
        policy(acme, field, **{field: row})
        path = url(type(row), "delete", row.pk)
        assert "protected" in text(root.get(path))
        root.post(path, {"post": "yes"})
        assert type(row).objects.filter(pk=row.pk).exists()


def test_a_hold_is_placed_and_released_with_who_did_it(root, acme):
    form = {"tenant": acme.pk, "kind": "user", "subject": "ann", "reason": "matter 7"}
    assert root.post(url(LegalHold, "add"), form).status_code == 302
    hold = LegalHold.objects.get()
    assert (hold.placed_by, hold.released_at) == ("root", None)
    assert "already" in text(root.post(url(LegalHold, "add"), form))
    assert "errorlist" in text(root.post(url(LegalHold, "add"), form | {"kind": "tenant"}))
    assert root.post(url(LegalHold, "change", hold.pk), form | {"subject": "bob"}).status_code == 403
    assert root.post(url(LegalHold, "delete", hold.pk), {"post": "yes"}).status_code == 403
    action = {"action": "release", "_selected_action": [hold.pk]}
    said = [text(root.post(url(LegalHold), action, follow=True)) for _ in range(2)]
    assert "1 holds are released" in said[0]
    assert "0 holds are released" in said[1]
    hold.refresh_from_db()
    assert (hold.subject, hold.released_by, hold.released_at is None) == ("ann", "root", False)


def test_who_may_only_see_holds_cannot_release_them(client, rows):
    viewer = get_user_model().objects.create(username="viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_legalhold"))
    client.force_login(viewer)
    hold = LegalHold.objects.get()
    assert 'value="release"' not in text(client.get(url(LegalHold)))
    client.post(url(LegalHold), {"action": "release", "_selected_action": [hold.pk]})
    assert client.get(url(LegalHold, "add")).status_code == 403
    hold.refresh_from_db()
    assert hold.released_at is None


def test_a_run_shows_its_reasons_and_leads_to_its_messages(root, rows, globex):
    run = RetentionRun.objects.get()
    remember(globex, "not of this run", created_at=timezone.now() - timedelta(days=100), importance=0.1)
    enforce.run(tenant=globex, trigger="api", started_by="x")
    page = text(root.get(url(RetentionRun, "change", run.pk)))
    assert "<td>older than 30 days</td><td>2</td>" in page
    [archived, deleted] = [
        link.replace("&amp;", "&") for link in re.findall(r'href="(\S+archivedmessage/\?[^"]+)"', page)
    ]
    assert "2 archived messages" in text(root.get(archived))
    assert "0 archived messages" in text(root.get(deleted))


@pytest.mark.parametrize("column", ["id", "conversation_id", "user_id", "external_id"])
def test_an_archived_message_is_found_by_what_it_is_called(root, acme, column):
    old = {"created_at": timezone.now() - timedelta(days=100), "importance": 0.1}
    remember(acme, "this one", conversation="Conv-1", user_id="Ann", external_id="Ext-1", **old)
    remember(acme, "another", conversation="conv-1", user_id="ann", external_id="ext-1", **old)
    enforce.run(tenant=acme, trigger="api", started_by="x")
    wanted = ArchivedMessage.objects.get(content="this one")
    page = text(root.get(url(ArchivedMessage), {"q": str(getattr(wanted, column))}))
    assert "1 archived message" in page
    assert "this one" in page


def test_the_archive_is_filtered_by_policy_and_deleted(root, acme, rows):
    fields = {"created_at": timezone.now() - timedelta(days=40), "role": "tool"}
    remember(acme, "deleted", **fields)
    policy(acme, "tools", role="tool", action="delete", priority=1)
    enforce.run(tenant=acme, trigger="api", started_by="x")
    assert "1 archived message" in text(root.get(url(ArchivedMessage), {"policy": "tools"}))
    assert "2 archived messages" in text(root.get(url(ArchivedMessage), {"state": "archived"}))
    assert "tools" in text(root.get(url(ArchivedMessage)))


def test_lists_ask_few_queries_and_count_no_further_than_they_must(
    root, acme, monkeypatch, django_assert_max_num_queries
):
    remember(acme, *(f"old {n}" for n in range(30)), created_at=timezone.now() - timedelta(days=40))
    for n in range(30):
        policy(acme, f"policy {n}", crontab=crontab("0 4 * * *"))
    enforce.run(tenant=acme, trigger="api", started_by="x")
    monkeypatch.setattr(pages, "COUNTED", 20)
    assert "20 archived messages" in text(root.get(url(ArchivedMessage)))
    for model in MODELS:
        with django_assert_max_num_queries(10) as queries:
            root.get(url(model))
        assert not any('."document"' in query["sql"] for query in queries)


BEATS = [IntervalSchedule, CrontabSchedule, PeriodicTask]


@pytest.mark.parametrize("model", BEATS)
def test_beats_own_pages_open(root, rows, model):
    task = PeriodicTask.objects.create(name="mine", task="retention.tasks.run_due", interval=every(6))
    assert task.name in text(root.get(url(PeriodicTask)))
    for path in (url(model), url(model, "add"), url(model, "change", model.objects.first().pk)):
        assert root.get(path).status_code == 200, path


def test_beats_pages_know_that_beat_reads_them(root, monkeypatch):
    sent = []
    monkeypatch.setattr(tasks.run_due, "apply_async", lambda **options: sent.append(options))
    task = PeriodicTask.objects.create(name="mine", task="retention.tasks.run_due", interval=every(6))
    page = text(root.get(url(PeriodicTask)))
    assert "wrong scheduler" not in page.lower()
    assert "CELERY_BEAT_SCHEDULER" not in page
    answer = root.post(url(PeriodicTask), {"action": "run_tasks", "_selected_action": [task.pk]}, follow=True)
    assert "successfully run" in text(answer)
    assert len(sent) == 1
