"""The admin's page of one message: in its conversation, why it matters, its vectors, its edits; edited and moved."""

import json
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from memories import ingest
from memories import tasks as embedding
from memories.jobs import run_batch
from memories.models import ArchivedMessage, EmbeddingJob, Message
from retention import holds, tasks
from retention.models import RetentionRun
from tenants.audit_event import AuditEvent
from tests.factories import remember
from tests.integration.test_admin import SCRIPT, url
from tests.integration.test_people import enter as enter

FORM = {"metadata": "{}", "importance": "0.5"}


def text(answer) -> str:
    assert answer.status_code == 200, answer
    return answer.content.decode()


@pytest.fixture
def message(acme) -> Message:
    _, middle, _ = remember(acme, "the one before", "I moved to Lisbon in March 2024", "the one after")
    embedding.drain()
    return middle


def page_of(browser, message) -> str:
    return text(browser.get(url(Message, "change", message.pk)))


def test_it_works(root, message):
    page = page_of(root, message)
    assert page.index("the one before") < page.index("I moved to Lisbon") < page.index("the one after")
    assert "first person with a number" in page
    assert "Ready" in page
    assert "1 vector" in page
    assert "Edits leave who, when" in page


def test_a_given_importance_has_no_reasons(root, acme):
    [message] = remember(acme, "I moved in March", importance=0.9)
    assert "first person with a number" not in page_of(root, message)


def test_a_buried_job_is_shown_with_its_last_error(root, acme):
    [message] = remember(acme, "one")
    EmbeddingJob.objects.update(buried_at=timezone.now(), attempts=3, last_error=SCRIPT)
    page = page_of(root, message)
    assert "Buried" in page
    assert "tried 3 times" in page
    assert "<script>alert" not in page


def test_a_text_is_edited_and_embedded_again(root, message):
    form = FORM | {"content": "I moved to Porto\r\nin spring", "importance": str(message.importance)}
    assert root.post(url(Message, "change", message.pk), form).status_code == 302
    message.refresh_from_db()
    assert message.content == "I moved to Porto\nin spring"
    assert EmbeddingJob.objects.filter(message_id=message.id).exists()
    page = page_of(root, message)
    assert "root changed content" in page
    event = AuditEvent.objects.get(action="message.edit")
    assert "Porto" not in str(event.changes)


def test_line_ends_of_a_browser_are_no_edit(root, acme):
    [message] = remember(acme, "one\ntwo\r\nthree")
    embedding.drain()
    form = FORM | {"content": "one\r\ntwo\r\nthree", "importance": str(message.importance)}
    root.post(url(Message, "change", message.pk), form)
    message.refresh_from_db()
    assert message.content == "one\ntwo\r\nthree"
    assert not AuditEvent.objects.filter(action="message.edit").exists()


@pytest.mark.parametrize("content", ["", "  \n", "x" * (64 * 1024 + 1), "a\0b"])
def test_a_text_that_is_none_is_refused_in_words(root, message, content):
    answer = root.post(url(Message, "change", message.pk), FORM | {"content": content})
    assert "Please correct the error" in text(answer)
    message.refresh_from_db()
    assert message.content.startswith("I moved")


def test_it_is_embedded_again(root, message):
    assert not EmbeddingJob.objects.filter(message_id=message.id).exists()
    root.post(f"/admin/messages/{message.id}/embed-again/")
    assert EmbeddingJob.objects.filter(message_id=message.id).count() == 1
    assert AuditEvent.objects.get(action="message.edit").changes == {"fields": ["embedding"]}
    run_batch()
    assert "Ready" in page_of(root, message)


def test_a_buried_job_is_revived_by_embedding_again(root, message):
    remember(message.tenant, "x")
    EmbeddingJob.objects.update(buried_at=timezone.now())
    [buried] = EmbeddingJob.objects.all()
    root.post(f"/admin/messages/{buried.message_id}/embed-again/")
    buried.refresh_from_db()
    assert buried.buried_at is None


@pytest.mark.parametrize("use_case", ["edit", "embed_again"])
def test_one_that_went_meanwhile_is_not_found(root, message, monkeypatch, use_case):
    """As by a retention run, after the page has looked for it and before anything is written."""
    really = getattr(ingest, use_case)

    def late(**given):
        Message.objects.filter(id=message.id).delete()
        return really(**given)

    monkeypatch.setattr(ingest, use_case, late)
    if use_case == "edit":
        answer = root.post(url(Message, "change", message.pk), {**FORM, "content": "another text"})
    else:
        answer = root.post(f"/admin/messages/{message.id}/embed-again/")
    assert answer.status_code == 404


def test_it_is_exported(root, message):
    answer = root.get(f"/admin/messages/{message.id}/export/")
    assert "attachment" in answer.headers["Content-Disposition"]
    assert json.loads(answer.content)["content"] == message.content
    assert AuditEvent.objects.filter(object_id=str(message.id), action="content.view").exists()


def test_it_is_archived_and_brought_back(root, message):
    root.post(f"/admin/messages/{message.id}/move/", {"action": "archive"})
    tasks.run_due()
    assert ArchivedMessage.objects.get().id == message.id
    assert Message.objects.count() == 2
    page = text(root.get(url(RetentionRun, "change", RetentionRun.objects.get().pk)))
    assert "Undo this run" in page
    assert "by hand" in page


def test_support_and_auditors_look_only(enter, acme, globex, message):
    [secret] = remember(globex, "secret")
    for browser in (enter("support", tenants=[acme]), enter("auditor")):
        page = page_of(browser, message)
        assert "the one before" in page
        assert "Embed again" not in page
        for action in ("embed-again", "move"):
            answer = browser.post(f"/admin/messages/{message.id}/{action}/", {"action": "archive"})
            assert answer.status_code == 403
    browser = enter("support", "operator", tenants=[acme])
    for path in ("embed-again", "move"):
        assert browser.post(f"/admin/messages/{secret.id}/{path}/").status_code == 404
    assert browser.get(f"/admin/messages/{secret.id}/export/").status_code == 404


def test_support_without_the_trail_sees_no_edits(enter, acme, message):
    assert "Edits leave who" not in page_of(enter("support", tenants=[acme]), message)
    assert "Edits leave who" in page_of(enter("auditor"), message)


def test_a_page_asks_few_queries(root, acme, message, django_assert_max_num_queries):
    remember(acme, *(f"more {n}" for n in range(50)))
    with django_assert_max_num_queries(18):
        page_of(root, message)


@pytest.mark.parametrize(
    ("kind", "subject", "shown"),
    [
        ("tenant", "", "on the tenant"),
        ("user", "u1", "on its user"),
        ("conversation", "c1", "on its conversation"),
    ],
)
def test_a_hold_is_told_before_anybody_tries(root, acme, kind, subject, shown):
    [message] = remember(acme, "one", user_id="u1", conversation="c1")
    assert not re.search(r"Legal hold \d", page_of(root, message))
    hold = holds.place(tenant=acme, kind=kind, subject=subject, reason="7", by="x")
    assert f"Legal hold {hold.id} {shown}, placed" in page_of(root, message)


def test_a_hold_on_somebody_else_or_released_is_not_told(root, acme):
    [message] = remember(acme, "one", user_id="u1", conversation="c1")
    holds.place(tenant=acme, kind="user", subject="u2", reason="7", by="x")
    released = holds.place(tenant=acme, kind="user", subject="u1", reason="7", by="x")
    holds.release(tenant=acme, hold_id=released.id, by="x")
    assert not re.search(r"Legal hold \d", page_of(root, message))


def test_what_is_held_is_refused_in_words_and_stays(root, acme, message):
    hold = holds.place(tenant=acme, kind="tenant", subject="", reason="7", by="x")
    answer = root.post(url(Message, "change", message.pk), FORM | {"content": "another text"})
    assert f"Legal hold {hold.id} on a tenant" in text(answer)
    assert "another text" in text(answer)
    for page, form in (
        (url(Message, "delete", message.pk), {"post": "yes"}),
        (
            url(Message),
            {"action": "delete_selected", "_selected_action": [str(message.pk)], "post": "yes"},
        ),
    ):
        assert f"Nothing deleted: Legal hold {hold.id} on a tenant" in text(
            root.post(page, form, follow=True)
        )
    message.refresh_from_db()
    assert message.content.startswith("I moved")
    assert not LogEntry.objects.exists()


def test_of_chosen_messages_with_a_held_one_none_is_deleted(root, acme, message):
    [held] = remember(acme, "Ann's", user_id="ann")
    hold = holds.place(tenant=acme, kind="user", subject="ann", reason="7", by="x")
    chosen = {"action": "delete_selected", "_selected_action": [str(message.pk), str(held.pk)], "post": "yes"}
    assert "Nothing deleted" in text(root.post(url(Message), chosen, follow=True))
    assert Message.objects.count() == 4
    assert not AuditEvent.objects.filter(action="message.delete").exists()
    holds.release(tenant=acme, hold_id=hold.id, by="x")
    root.post(url(Message), chosen)
    assert Message.objects.count() == 2
