"""Erasing a user, a conversation, a tenant: all of theirs and nothing else, and not what a legal hold is on."""

import hashlib

import pytest
from django.db import connection
from django.utils import timezone

from memories import lexicon, suppression, tasks
from memories.legal_holds import Held
from memories.models import (
    ArchivedEmbedding,
    ArchivedMessage,
    Message,
    MessageEmbedding,
    MessageRecall,
    Suppression,
    TermStatistic,
)
from retention import erasure
from retention.models import ErasureReceipt, LegalHold, PlannedMove, RetentionPolicy, RetentionRun
from tenants.models import Tenant
from tests.factories import remember
from tests.integration.test_archive import archive_all


@pytest.fixture(autouse=True)
def _no_wait_for_other_processes(monkeypatch):
    monkeypatch.setattr(erasure, "REMEMBERED_SECONDS", 0.0)


@pytest.fixture
def kept(acme, globex):
    """Of Ann: two messages with vectors, one waiting, one archived, one marked as deleted. Of Bob and globex: one."""
    embedded = remember(acme, "Anns boat", "Anns harbour", user_id="ann", name="Ann")
    old, older = remember(acme, "Anns archive", "Anns bin", user_id="ann", conversation="conv-2")
    remember(acme, "Bobs boat", user_id="bob")
    remember(globex, "Another Ann", user_id="ann")
    tasks.drain()
    MessageRecall.objects.create(tenant=acme, message_id=embedded[0].id, last_recalled_at=timezone.now())
    archive_all(acme, old)
    archive_all(acme, older, deleted=True)
    [waiting] = remember(acme, "Ann waits", user_id="ann")
    run = RetentionRun.objects.create(tenant=acme, trigger="api", started_by="x", decided_at=timezone.now())
    PlannedMove.objects.create(tenant=acme, run_id=run.id, message_id=waiting.id, policy=0, step=1)
    return [*embedded, old, older, waiting]


def erase(tenant, user_id="ann"):
    return erasure.erase_user(tenant=tenant, user_id=user_id, requested_by="test")


def test_it_works(acme, globex, kept):
    receipt = erase(acme)
    assert receipt.verified
    assert receipt.counts == {
        "memories_archivedembedding": 2,
        "memories_archivedmessage": 2,
        "memories_embeddingjob": 1,
        "memories_message": 3,
        "memories_messageembedding": 2,
        "memories_messagerecall": 1,
        "retention_plannedmove": 1,
    }
    ids = sorted(message.id.bytes for message in kept)
    assert receipt.digest == hashlib.sha256(b"".join(ids)).hexdigest()
    assert Message.objects.get(tenant=acme).content == "Bobs boat"
    assert not ArchivedMessage.objects.exists()
    assert not ArchivedEmbedding.objects.exists()
    assert not PlannedMove.objects.exists()
    assert (
        Message.objects.filter(tenant=globex).count()
        == MessageEmbedding.objects.filter(tenant=globex).count()
        == 1
    )


def test_no_word_that_only_the_erased_said_is_left(acme, kept):
    lexicon.fold_all()
    assert TermStatistic.objects.filter(tenant=acme, term="harbour").exists()
    erase(acme)
    assert set(TermStatistic.objects.filter(tenant=acme).values_list("term", flat=True)) == {"bob", "boat"}


def test_the_receipt_names_nobody(acme, kept):
    receipt = erase(acme, "bob")
    digest = suppression.digest(tenant_id=acme.id, kind="user", subject="bob")
    assert (receipt.tenant_id, receipt.kind, receipt.subject_digest) == (acme.id, "user", digest.hex())
    assert receipt.started_at < receipt.finished_at
    with connection.cursor() as cursor:
        cursor.execute("SELECT row::text FROM retention_erasurereceipt row")
        assert "bob" not in cursor.fetchone()[0]


def test_a_second_time_finds_nothing(acme, kept):
    first, second = erase(acme), erase(acme)
    assert (second.counts, second.verified) == ({}, True)
    assert second.digest == hashlib.sha256(b"").hexdigest()
    assert ErasureReceipt.objects.count() == 2
    assert Suppression.objects.count() == 1
    assert first.id != second.id


def test_somebody_who_never_said_anything_is_erased_too(acme, kept):
    receipt = erase(acme, "nobody")
    assert (receipt.counts, receipt.verified) == ({}, True)
    assert Message.objects.filter(tenant=acme).count() == 4


def test_what_is_dated_ahead_goes_and_what_comes_later_stays(acme, kept):
    ahead = timezone.now() + timezone.timedelta(hours=20)
    remember(acme, "Ann tomorrow", user_id="ann", created_at=ahead)
    assert erase(acme).counts["memories_message"] == 4
    remember(acme, "Ann is back", user_id="ann")
    assert Message.objects.get(tenant=acme, user_id="ann").content == "Ann is back"


def test_more_than_a_chunk(acme, monkeypatch):
    monkeypatch.setattr("retention.removal.CHUNK", 3)
    monkeypatch.setattr("retention.removal.FOUND_AT_ONCE", 7)
    remember(acme, *[f"message {n}" for n in range(20)], user_id="ann")
    assert erase(acme).counts["memories_message"] == 20


def test_a_conversation_goes_with_everybody_in_it(acme, kept):
    remember(acme, "Bob answers", user_id="bob", conversation="conv-2")
    receipt = erasure.erase_conversation(tenant=acme, conversation_id="conv-2", requested_by="test")
    assert (receipt.kind, receipt.verified) == ("conversation", True)
    assert (receipt.counts["memories_message"], receipt.counts["memories_archivedmessage"]) == (1, 2)
    assert set(Message.objects.filter(tenant=acme).values_list("conversation_id", flat=True)) == {"conv-1"}


def test_a_tenant_goes_with_all_it_has_but_its_receipts(acme, globex, bot, kept):
    RetentionPolicy.objects.create(tenant=acme, name="old", older_than_days=1)
    LegalHold.objects.create(
        tenant=acme, kind="user", subject="ann", reason="1", placed_by="x", released_at=timezone.now()
    )
    erase(acme, "bob")
    tenant_id = acme.id
    receipt = erasure.erase_tenant(tenant=acme, requested_by="test")
    assert receipt.verified
    assert (receipt.counts["tenants_tenant"], receipt.counts["memories_message"]) == (1, 3)
    assert not Tenant.objects.filter(id=tenant_id).exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.columns WHERE column_name = 'tenant_id'")
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT count(*) FROM {table} WHERE tenant_id = %s", [tenant_id])
            kept_for_good = {"retention_erasurereceipt", "tenants_auditevent"}
            assert (cursor.fetchone()[0] > 0) == (table in kept_for_good), table
    assert ErasureReceipt.objects.filter(tenant_id=tenant_id).count() == 2
    assert Message.objects.get().tenant_id == globex.id
    assert bot.get("/v1/messages").status_code == 401


@pytest.mark.parametrize(
    ("kind", "subject"),
    [("tenant", ""), ("user", "ann"), ("conversation", "conv-2"), ("conversation", "conv-1")],
)
def test_a_hold_refuses_and_nothing_is_gone(acme, kept, kind, subject):
    hold = LegalHold.objects.create(tenant=acme, kind=kind, subject=subject, reason="7", placed_by="x")
    for attempt in (erase, lambda tenant: erasure.erase_tenant(tenant=tenant, requested_by="test")):
        with pytest.raises(Held, match=f"Legal hold {hold.id} on a {kind}"):
            attempt(acme)
    assert (Message.objects.filter(tenant=acme).count(), ArchivedMessage.objects.count()) == (4, 2)
    assert not Suppression.objects.exists()
    hold.released_at = timezone.now()
    hold.save()
    assert erase(acme).verified


def test_a_hold_on_a_user_holds_the_conversations_of_that_user(acme, globex, kept):
    LegalHold.objects.create(tenant=acme, kind="user", subject="bob", reason="7", placed_by="x")
    LegalHold.objects.create(tenant=globex, kind="tenant", reason="8", placed_by="x")
    assert erase(acme).verified
    with pytest.raises(Held):
        erasure.erase_conversation(tenant=acme, conversation_id="conv-1", requested_by="test")
    assert erasure.erase_conversation(tenant=acme, conversation_id="conv-2", requested_by="test").verified


def test_policies_runs_and_released_holds_name_the_erased_no_more(acme, kept):
    policy = RetentionPolicy.objects.create(tenant=acme, name="p", user_id="ann", older_than_days=1)
    other = RetentionPolicy.objects.create(tenant=acme, name="q", user_id="annabel", older_than_days=1)
    snapshot = [{"name": "p", "user_id": "ann", "metadata": {"user": "ann"}}, {"name": "ann", "user_id": ""}]
    RetentionRun.objects.update(policies=snapshot)
    hold = LegalHold.objects.create(
        tenant=acme, kind="user", subject="ann", reason="7", placed_by="x", released_at=timezone.now()
    )
    receipt = erase(acme)
    alias = f"erased:{suppression.digest(tenant_id=acme.id, kind='user', subject='ann').hex()}"
    policy.refresh_from_db()
    other.refresh_from_db()
    hold.refresh_from_db()
    assert (policy.user_id, other.user_id, hold.subject) == (alias, "annabel", alias)
    [run] = RetentionRun.objects.all()
    assert [each["user_id"] for each in run.policies] == [alias, ""]
    tables = ("retention_retentionpolicy", "retention_legalhold", "retention_retentionrun")
    assert [receipt.counts[table] for table in tables] == [1, 1, 1]
