"""Erasing from the admin: users, conversations, tenants; previewed, confirmed, done by a worker, with the receipt."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.utils import timezone
from kombu.exceptions import OperationalError

from memories.admin_addresses import erasing
from memories.models import Message
from retention import barrier, erasure, holds, tasks
from retention.models import ErasureReceipt
from retention.removal import Removal
from tenants.audit_event import AuditEvent
from tenants.models import Tenant
from tests.factories import remember
from tests.integration.test_admin import SCRIPT
from tests.integration.test_archive import archive_all
from tests.integration.test_people import enter as enter

KINDS = [("user", "ann"), ("conversation", "conv-1"), ("tenant", "acme")]


def text(answer) -> str:
    assert answer.status_code == 200, answer
    return answer.content.decode()


@pytest.fixture
def said(acme, globex):
    """Of Ann two in the memory and one in the archive; Bob's and another tenant's stay."""
    mine = remember(acme, "one", "two", "three", user_id="ann")
    archive_all(acme, mine[0])
    remember(acme, "Bob's", conversation="c-2", user_id="bob")
    remember(globex, "theirs", user_id="ann")
    return mine


@pytest.fixture
def asked(monkeypatch):
    """The erasures that a worker would have been asked for: none runs here."""
    sent: list[tuple] = []
    monkeypatch.setattr(tasks.erase, "apply_async", lambda args, **options: sent.append(args))
    return sent


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """A test's transaction never commits, and no other process remembers the tenant."""
    monkeypatch.setattr(barrier, "pass_by", lambda committed: True)
    monkeypatch.setattr(erasure, "REMEMBERED_SECONDS", 0)


@pytest.mark.parametrize(("kind", "subject"), KINDS)
def test_it_works(root, acme, said, asked, kind, subject):
    path = erasing(acme.pk, kind, subject)
    page = text(root.get(path))
    assert f"{3 if kind == 'tenant' else 2} messages</dd>" in page
    assert "1 message</dd>" in page
    answer = root.post(path, {"confirm": subject})
    assert asked == [(acme.pk, kind, subject, "root")]
    assert Message.objects.count() == 4, "the page erases nothing itself"
    assert "A worker has been asked" in text(root.get(answer.headers["Location"]))
    progress = erasing(acme.pk, kind, subject, "erasing-progress")
    since = {"asked": parse_qs(urlsplit(answer.headers["Location"]).query)["asked"][0]}
    left = 4 if kind == "tenant" else 3
    assert root.get(progress, since).json() == {
        "finished": False,
        "left": left,
        "sentence": f"{left} messages are left.",
    }
    assert tasks.erase(*asked.pop())
    assert root.get(progress, since).json()["finished"]
    receipt = ErasureReceipt.objects.get()
    page = text(root.get(answer.headers["Location"]))
    assert str(receipt.pk) in page
    assert receipt.subject_digest in page
    assert "data-progress" not in page
    assert (receipt.kind, receipt.requested_by) == (kind, "root")
    event = AuditEvent.objects.get(action=f"{kind}.erase")
    assert (event.actor_kind, event.actor) == ("admin", "root")
    later = {"asked": (timezone.now() + timedelta(seconds=1)).isoformat()}
    assert not root.get(progress, later).json()["finished"], "that was another one"
    assert {row.content for row in Message.objects.all()} == {"theirs"} | (
        set() if kind == "tenant" else {"Bob's"}
    )


@pytest.mark.parametrize(("kind", "subject"), KINDS)
@pytest.mark.parametrize("typed", ["", "Acme", "ann ", "a\0"])
def test_nothing_is_erased_before_the_name_is_typed(root, acme, said, asked, kind, subject, typed):
    answer = root.post(erasing(acme.pk, kind, subject), {"confirm": typed}, follow=True)
    assert "Nothing erased: type the name" in text(answer)
    assert asked == []


@pytest.mark.parametrize(("kind", "subject"), KINDS)
def test_a_hold_refuses_it_with_a_sentence(root, acme, said, asked, kind, subject):
    hold = holds.place(tenant=acme, kind="user", subject="ann", reason="7", by="x")
    path = erasing(acme.pk, kind, subject)
    page = text(root.get(path))
    assert f"Cannot be erased. Legal hold {hold.id} on a user" in page
    assert 'name="confirm"' not in page
    assert "Nothing erased: Legal hold" in text(root.post(path, {"confirm": subject}, follow=True))
    assert asked == []
    tasks.erase(acme.pk, kind, subject, "root")
    assert Message.objects.count() == 4


def test_a_hold_that_comes_meanwhile_is_told(root, acme, said):
    holds.place(tenant=acme, kind="user", subject="ann", reason="7", by="x")
    state = root.get(
        erasing(acme.pk, "user", "ann", "erasing-progress"), {"asked": "2026-01-01T00:00:00"}
    ).json()
    assert (state["finished"], state["left"]) == (True, None)
    assert "Stopped: Legal hold" in state["sentence"]


def test_what_takes_longer_than_a_task_may_is_gone_on_with(acme, said, asked, monkeypatch):
    def slow(removal) -> bool:
        raise SoftTimeLimitExceeded

    with monkeypatch.context() as patch:
        patch.setattr(Removal, "remove", slow)
        assert not tasks.erase(acme.pk, "user", "ann", "root")
    assert asked == [(acme.pk, "user", "ann", "root")]
    assert not ErasureReceipt.objects.get().verified
    assert tasks.erase(*asked.pop())
    assert ErasureReceipt.objects.filter(verified=True).count() == 1


def test_without_redis_nothing_is_promised(root, acme, said, monkeypatch):
    def lost(**_: object) -> None:
        raise OperationalError

    monkeypatch.setattr(tasks.erase, "apply_async", lost)
    answer = root.post(erasing(acme.pk, "user", "ann"), {"confirm": "ann"}, follow=True)
    assert "Redis did not answer" in text(answer)


@pytest.mark.parametrize(
    ("kind", "subject"),
    [("user", "a\0"), ("user", ""), ("person", "ann"), ("tenant", "globex"), ("conversation", "\0")],
)
def test_what_cannot_be_is_not_found(root, acme, kind, subject):
    if subject:
        assert root.get(erasing(acme.pk, kind, subject)).status_code == 404
        assert root.get(erasing(acme.pk, kind, subject, "erasing-progress")).status_code in (403, 404)
    assert root.get(erasing(2**40, "user", "ann")).status_code == 404
    assert root.get(erasing(2**62, "tenant", "never")).status_code == 404


def test_any_name_is_shown_as_text(root, acme):
    remember(acme, "x", user_id=SCRIPT)
    page = text(root.get(erasing(acme.pk, "user", SCRIPT)))
    assert "<script>alert" not in page
    assert "1 message</dd>" in page


def test_it_is_found_by_name(root, acme, said):
    assert "See what would go" in text(root.get("/admin/erase/"))
    for kind, subject in KINDS:
        answer = root.get("/admin/erase/", {"tenant": "acme", "kind": kind, "subject": subject})
        assert answer.headers["Location"] == erasing(acme.pk, kind, subject)
    for wrong in (
        {"tenant": "nobody", "kind": "user", "subject": "ann"},
        {"tenant": "a\0", "kind": "user", "subject": "ann"},
        {"tenant": "acme", "kind": "user", "subject": ""},
        {"tenant": "acme", "kind": "user", "subject": "a\0"},
        {"tenant": "acme", "kind": "everybody", "subject": "ann"},
    ):
        text(root.get("/admin/erase/", wrong))
    message = Message.objects.get(content="two")
    assert erasing(acme.pk, "user", "ann") in text(root.get(f"/admin/memories/message/{message.pk}/change/"))


def test_who_may_not_erase_sees_no_way_to(enter, acme, globex, said, asked):
    for browser in (enter("auditor"), enter("support", tenants=[acme])):
        assert browser.get("/admin/erase/").status_code == 403
        for kind, subject in KINDS:
            path = erasing(acme.pk, kind, subject)
            assert browser.get(path).status_code == 403
            assert browser.post(path, {"confirm": subject}).status_code == 403
            assert browser.get(erasing(acme.pk, kind, subject, "erasing-progress")).status_code == 403
    browser = enter("support", "operator", tenants=[acme])
    assert "1 message</dd>" in text(browser.get(erasing(acme.pk, "user", "ann")))
    for kind, subject in [("user", "ann"), ("tenant", "globex")]:
        assert browser.get(erasing(globex.pk, kind, subject)).status_code == 404
        assert browser.post(erasing(globex.pk, kind, subject), {"confirm": subject}).status_code == 404
    assert asked == []
    assert Tenant.objects.count() == 2
