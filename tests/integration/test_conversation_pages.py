"""A conversation as a chat in the admin, and what is done with all of it: exported, archived, deleted, erased."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from memories.admin_addresses import conversation as address
from memories.admin_addresses import erasing, name_in, part
from memories.models import ArchivedMessage, Message
from retention import holds, tasks
from retention.admin import conversations
from retention.models import RetentionRun
from tenants.audit_event import AuditEvent
from tests.factories import remember
from tests.integration.test_admin import SCRIPT
from tests.integration.test_archive import archive_all
from tests.integration.test_people import enter as enter

ODD = ["a/b", "..", ".", "a?b#c", "x_y", "50%", "é 🧠", "_2E", "a//b", "~", SCRIPT]
LATER = timedelta(seconds=1)


def text(answer) -> str:
    assert answer.status_code == 200, answer
    return answer.content.decode()


@pytest.fixture
def chat(acme):
    """Five turns, a second apart."""
    begin = timezone.now() - timedelta(hours=1)
    return [
        row
        for n in range(5)
        for row in remember(
            acme, f"turn {n}", role=["user", "assistant"][n % 2], created_at=begin + n * LATER
        )
    ]


def test_it_works(root, acme, chat):
    page = text(root.get(address("acme", "conv-1")))
    places = [page.index(f"turn {n}") for n in range(5)]
    assert places == sorted(places)
    assert "mc-turn-user" in page
    assert "5 messages" in page
    event = AuditEvent.objects.get(action="content.view")
    assert (event.object_kind, event.changes) == ("conversation", {"rows": 5})


@pytest.mark.parametrize("name", ODD)
def test_any_name_has_an_address(root, acme, name):
    assert name_in(part(name)) == name
    remember(acme, "said here", conversation=name)
    page = text(root.get(address("acme", name)))
    assert "said here" in page
    assert "<script>alert" not in page


def test_texts_are_shown_as_text(root, acme):
    remember(acme, SCRIPT, name=SCRIPT, user_id=SCRIPT)
    assert "<script>alert" not in text(root.get(address("acme", "conv-1")))


def test_a_long_one_is_read_in_pages(root, acme, chat, monkeypatch):
    monkeypatch.setattr(conversations, "PAGE", 2)
    path = address("acme", "conv-1")
    seen: list[list[int]] = []
    page = text(root.get(path))
    while True:
        seen.append([n for n in range(5) if f"turn {n}" in page])
        if "?before=" not in page:
            break
        page = text(root.get(_link(path, page, "before")))
    assert seen == [[3, 4], [1, 2], [0]]
    page = text(root.get(_link(path, page, "after")))
    assert [n for n in range(5) if f"turn {n}" in page] == [1, 2]


def _link(path: str, page: str, name: str) -> str:
    return path + f"?{name}=" + page.partition(f'href="?{name}=')[2].partition('"')[0]


def test_turns_of_one_moment_are_all_shown_once(root, acme, monkeypatch):
    monkeypatch.setattr(conversations, "PAGE", 2)
    remember(acme, *(f"turn {n}" for n in range(5)), created_at=timezone.now())
    path, seen = address("acme", "conv-1"), []
    page = text(root.get(path))
    while "?before=" in page:
        seen += [n for n in range(5) if f"turn {n}" in page]
        page = text(root.get(_link(path, page, "before")))
    seen += [n for n in range(5) if f"turn {n}" in page]
    assert sorted(seen) == list(range(5))


def test_archived_turns_stay_in_their_places_and_deleted_ones_do_not(root, acme, chat):
    archive_all(acme, chat[1], chat[2])
    ArchivedMessage.objects.filter(content="turn 2").update(deleted_at=timezone.now())
    page = text(root.get(address("acme", "conv-1")))
    assert [n for n in range(5) if f"turn {n}" in page] == [0, 1, 3, 4]
    assert page.index("turn 0") < page.index("turn 1") < page.index("turn 3")
    assert page.count("mc-turn-archived") == 1


def test_an_empty_one_says_so(root, acme):
    assert "Nothing of this conversation" in text(root.get(address("acme", "never")))


@pytest.mark.parametrize("cursor", ["x", "%00", "Zm9v"])
def test_a_page_that_is_none_is_not_found(root, acme, chat, cursor):
    assert root.get(f"{address('acme', 'conv-1')}?before={cursor}").status_code == 404


def test_names_that_cannot_be_are_not_found(root, acme):
    assert root.get("/admin/conversations/acme/_00/").status_code == 404
    assert root.get("/admin/conversations/nobody/conv-1/").status_code == 404
    assert root.get("/admin/conversations/_00/conv-1/").status_code == 404


def test_support_reads_those_of_its_tenants(enter, acme, globex, chat):
    remember(globex, "secret", conversation="conv-1")
    browser = enter("support", tenants=[acme])
    assert "turn 0" in text(browser.get(address("acme", "conv-1")))
    for page in ("conversation", "conversation-export"):
        assert browser.get(address("globex", "conv-1", page)).status_code in (403, 404)
    answer = browser.post(address("globex", "conv-1", "conversation-move"), {"action": "archive"})
    assert answer.status_code in (403, 404)
    assert Message.objects.count() == 6


def test_an_auditor_reads_and_moves_nothing(enter, acme, chat):
    browser = enter("auditor")
    page = text(browser.get(address("acme", "conv-1")))
    assert "Archive</button>" not in page
    assert "Erase" not in page
    answer = browser.post(address("acme", "conv-1", "conversation-move"), {"action": "archive"})
    assert answer.status_code == 403
    assert not RetentionRun.objects.exists()


def test_it_is_exported_line_by_line(root, acme, chat):
    archive_all(acme, chat[0])
    answer = root.get(address("acme", "conv-1", "conversation-export"))
    lines = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]
    assert [line.get("content") for line in lines[:-1]] == [f"turn {n}" for n in range(5)]
    assert lines[-1] == {"exported": 5, "complete": True}
    assert AuditEvent.objects.filter(action="content.view", object_kind="conversation").count() == 1


def test_it_is_archived_and_brought_back(root, acme, chat):
    [other] = remember(acme, "elsewhere", conversation="conv-10")
    answer = root.post(address("acme", "conv-1", "conversation-move"), {"action": "archive"})
    run = RetentionRun.objects.get()
    assert answer.headers["Location"].endswith(f"/retentionrun/{run.id}/change/")
    assert (run.status, run.planned, Message.objects.count()) == ("running", 5, 6)
    tasks.run_due()
    assert list(Message.objects.all()) == [other]
    assert ArchivedMessage.objects.filter(policy="by hand", deleted_at=None).count() == 5
    root.post(f"/admin/runs/{run.id}/undo/")
    tasks.run_due()
    assert Message.objects.count() == 6


def test_it_is_deleted_until_the_grace_period_is_over(root, acme, chat):
    root.post(address("acme", "conv-1", "conversation-move"), {"action": "delete"})
    tasks.run_due()
    assert ArchivedMessage.objects.exclude(deleted_at=None).count() == 5


def test_held_and_pinned_messages_stay(root, acme, chat):
    Message.objects.filter(id=chat[0].id).update(pinned=True)
    Message.objects.filter(id=chat[1].id).update(user_id="ann")
    holds.place(tenant=acme, kind="user", subject="ann", reason="7", by="x")
    root.post(address("acme", "conv-1", "conversation-move"), {"action": "archive"})
    tasks.run_due()
    assert {row.content for row in Message.objects.all()} == {"turn 0", "turn 1"}
    assert {group["reason"] for group in RetentionRun.objects.get().reasons} >= {"pinned", "legal hold"}


@pytest.mark.parametrize("action", ["", "burn"])
def test_an_action_that_is_none_does_nothing(root, acme, chat, action):
    answer = root.post(address("acme", "conv-1", "conversation-move"), {"action": action}, follow=True)
    assert "choose to archive or to delete" in text(answer)
    assert not RetentionRun.objects.exists()


def test_it_leads_to_its_erasure(root, acme, chat):
    assert erasing(acme.pk, "conversation", "conv-1") in text(root.get(address("acme", "conv-1")))


def test_a_page_asks_few_queries(root, acme, chat, django_assert_max_num_queries):
    remember(acme, *(f"more {n}" for n in range(60)))
    with django_assert_max_num_queries(12):
        root.get(address("acme", "conv-1"))
