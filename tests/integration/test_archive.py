"""Moving messages to the archive and back, and what is lost on the way: nothing."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from memories import archive, lexicon, tasks
from memories.models import (
    ArchivedEmbedding,
    ArchivedMessage,
    EmbeddingJob,
    EmbeddingSpace,
    Message,
    MessageRecall,
    TermStatistic,
)
from tests.factories import remember

TABLES = ("message", "messageembedding", "embeddingjob", "messagerecall", "termstatistic", "corpus")
# A job comes back as a new row, due at once and free.
NEW = {"embeddingjob": "- 'id' - 'next_attempt_at' - 'lease_token'"}


def everything():
    """All rows of the memory as JSON, the words counted."""
    lexicon.fold_all()
    with connection.cursor() as cursor:
        rows = {}
        for table in TABLES:
            cursor.execute(
                f"SELECT to_jsonb(row) {NEW.get(table, '')} FROM memories_{table} row ORDER BY row::text"
            )
            rows[table] = sorted(row[0] for row in cursor.fetchall())
        return rows


def archive_all(tenant, *messages, deleted=False):
    with transaction.atomic():
        ids = archive.lock_messages(tenant_id=tenant.id, ids=[message.id for message in messages])
        leaving = [
            archive.Leaving(message_id=each, policy="old", reason="older than 90 days", deleted=deleted)
            for each in ids
        ]
        return archive.to_archive(tenant_id=tenant.id, leaving=leaving, run_id=None, now=timezone.now())


def restore_all(tenant):
    with transaction.atomic():
        ids = ArchivedMessage.objects.filter(tenant=tenant).values_list("id", flat=True)
        return archive.from_archive(
            tenant_id=tenant.id, ids=archive.lock_archived(tenant_id=tenant.id, ids=ids)
        )


@pytest.fixture
def kept(acme, globex):
    """Messages with vectors, one without, one buried, one recalled, one of another tenant."""
    messages = remember(
        acme,
        "The harbour opens at nine",
        "My boat is called Marie",
        metadata={"a": [1, {"b": None}]},
        name="Ann",
        user_id="u-1",
        external_id=None,
    )
    tasks.drain()
    messages += remember(acme, "Not embedded yet", pinned=True, importance=0.9, external_id="x-1")
    EmbeddingJob.objects.filter(tenant=acme).update(
        attempts=3, last_error="refused", buried_at=timezone.now() - timedelta(days=1)
    )
    MessageRecall.objects.create(tenant=acme, message_id=messages[0].id, last_recalled_at=timezone.now())
    remember(globex, "Another harbour")
    return messages


def test_it_works(acme, kept):
    before = everything()
    assert archive_all(acme, *kept) == 3
    assert not Message.objects.filter(tenant=acme).exists()
    assert not EmbeddingJob.objects.filter(tenant=acme).exists()
    assert ArchivedEmbedding.objects.filter(tenant=acme, searchable=True).count() == 2
    assert everything()["termstatistic"] != before["termstatistic"]
    assert set(TermStatistic.objects.values_list("term", flat=True)) == {"anoth", "harbour"}
    assert len(restore_all(acme)) == 3
    assert everything() == before
    assert not ArchivedEmbedding.objects.exists()


def test_a_space_that_came_meanwhile_gets_its_job(acme, kept):
    archive_all(acme, *kept)
    newer = EmbeddingSpace.objects.create(provider="mock", model="newer", dimensions=8)
    restore_all(acme)
    assert EmbeddingJob.objects.filter(tenant=acme, space=newer).count() == 3


def test_a_taken_external_id_keeps_its_message_in_the_archive(acme, kept):
    archive_all(acme, *kept, deleted=True)
    remember(acme, "The same id, another text", external_id="x-1")
    assert kept[2].id not in restore_all(acme)
    assert ArchivedMessage.objects.get(tenant=acme).id == kept[2].id


def test_a_deleted_one_is_restored_as_it_was(acme, kept):
    before = everything()
    archive_all(acme, *kept, deleted=True)
    assert not ArchivedEmbedding.objects.filter(searchable=True).exists()
    restore_all(acme)
    assert everything() == before


def test_only_what_is_marked_is_purged(acme, kept):
    archive_all(acme, *kept)
    ids = [message.id for message in kept]
    assert archive.purge(tenant_id=acme.id, ids=ids) == 0
    now = timezone.now()
    marked = archive.mark_deleted(tenant_id=acme.id, reasons={ids[0]: "a year old"}, run_id=None, now=now)
    assert marked == 1
    assert archive.purge(tenant_id=acme.id, ids=ids) == 1
    assert set(ArchivedMessage.objects.values_list("id", flat=True)) == set(ids[1:])
    assert ArchivedEmbedding.objects.count() == 1


def test_a_mark_can_be_taken_back(acme, kept):
    archive_all(acme, *kept, deleted=True)
    ids = [message.id for message in kept]
    assert archive.unmark_deleted(tenant_id=acme.id, ids=ids) == 3
    assert ArchivedEmbedding.objects.filter(searchable=True).count() == 2
    assert archive.purge(tenant_id=acme.id, ids=ids) == 0


def test_another_tenant_is_left_alone(acme, globex, kept):
    assert archive_all(globex, *kept) == 0
    assert Message.objects.filter(tenant=acme).count() == 3
