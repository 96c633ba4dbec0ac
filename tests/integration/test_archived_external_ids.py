"""An archived message keeps its external_id: what is sent again is a replay, not a second message."""

import threading
from contextlib import contextmanager, suppress

import pytest
from django.db import connection, transaction
from django.utils import timezone

from memories import archive, ingest
from memories.models import ArchivedMessage, EmbeddingJob, Message
from tests.answers import problem_of
from tests.at_once import somebody_waits
from tests.factories import remember
from tests.integration.test_archive import archive_all, restore_all

BODY = {"conversation_id": "c", "role": "user", "content": "I moved to Lisbon", "external_id": "x-1"}


def store(api, **changes):
    return api.post("/v1/messages", BODY | changes)


@pytest.fixture
def lisbon(bot, acme) -> Message:
    assert store(bot).status_code == 201
    return Message.objects.get(tenant=acme)


def test_it_works(bot, acme, lisbon):
    first = store(bot)
    archive_all(acme, lisbon)
    again = store(bot)
    assert (again.status_code, again["Idempotent-Replayed"]) == (201, "true")
    assert again.json() == {**first.json(), "archived": True}
    assert not Message.objects.exists()
    assert not EmbeddingJob.objects.exists()


def test_another_text_is_a_conflict(bot, acme, lisbon):
    archive_all(acme, lisbon)
    problem_of(store(bot, content="I moved to Porto"), 409)
    assert not Message.objects.exists()


def test_a_replay_is_answered_with_a_context_as_usual(bot, acme, lisbon):
    archive_all(acme, lisbon)
    answer = store(bot, return_context=True).json()
    assert (answer["id"], answer["context_error"]) == (str(lisbon.id), None)


def test_a_batch_takes_archived_known_and_new_together(bot, acme, lisbon):
    here = remember(acme, "here", external_id="x-2")[0]
    archive_all(acme, lisbon)
    rows = [
        BODY,
        {"conversation_id": "conv-1", "role": "user", "content": "here", "external_id": "x-2"},
        BODY | {"external_id": "x-3"},
        {"conversation_id": "c", "role": "user", "content": "without one"},
    ]
    answer = bot.post("/v1/messages/batch", {"messages": rows}).json()["messages"]
    assert [row["id"] for row in answer[:2]] == [str(lisbon.id), str(here.id)]
    assert [row.get("archived") for row in answer] == [True, None, None, None]
    assert Message.objects.count() == 3
    assert EmbeddingJob.objects.count() == 3


def test_a_conflict_with_the_archive_stores_nothing_of_the_batch(bot, acme, lisbon):
    archive_all(acme, lisbon)
    rows = [BODY | {"external_id": "x-2"}, BODY | {"content": "else"}]
    refused = problem_of(bot.post("/v1/messages/batch", {"messages": rows}), 409)
    assert "messages[1].external_id" in refused["detail"]
    assert not Message.objects.exists()


def test_a_deleted_message_holds_nothing(bot, acme, lisbon):
    archive_all(acme, lisbon, deleted=True)
    answer = store(bot, content="I moved to Porto")
    assert answer.status_code == 201
    assert "Idempotent-Replayed" not in answer
    assert answer.json()["id"] != str(lisbon.id)


def test_one_that_is_here_too_goes_first(bot, acme, lisbon):
    """It was marked as deleted, the id was taken, and the mark was taken back."""
    archive_all(acme, lisbon, deleted=True)
    porto = store(bot, content="I moved to Porto").json()["id"]
    archive.unmark_deleted(tenant_id=acme.id, ids=[lisbon.id])
    assert store(bot, content="I moved to Porto").json()["id"] == porto
    problem_of(store(bot), 409)


def test_it_is_held_in_its_tenant_alone(outsider, acme, lisbon):
    archive_all(acme, lisbon)
    assert "Idempotent-Replayed" not in store(outsider)


def test_a_restored_one_is_replayed_as_before(bot, acme, lisbon):
    archive_all(acme, lisbon)
    restore_all(acme)
    assert store(bot).json() == {**store(bot).json(), "id": str(lisbon.id)}
    assert "archived" not in store(bot).json()


@contextmanager
def waiting_writer(tenant):
    """with waiting_writer(tenant) as stored: somebody stores x-1, and waits for the transaction that is open here."""
    stored: list[ingest.Stored] = []

    def write() -> None:
        new = ingest.NewMessage(
            conversation_id=BODY["conversation_id"],
            role=BODY["role"],
            content=BODY["content"],
            external_id="x-1",
        )
        stored.extend(ingest.store(tenant=tenant, messages=[new]))
        connection.close()

    writer = threading.Thread(target=write)
    with transaction.atomic():
        yield writer, stored
        while writer.is_alive() and not somebody_waits():
            pass
    writer.join()


@pytest.mark.django_db(transaction=True)
def test_one_that_is_being_archived_is_replayed(bot, acme, lisbon):
    """The insert saw neither: not yet in the archive, no longer here. The second look takes the new row back."""
    with waiting_writer(acme) as (writer, stored):
        ids = archive.lock_messages(tenant_id=acme.id, ids=[lisbon.id])
        leaving = [archive.Leaving(message_id=each, policy="old", reason="old") for each in ids]
        archive.to_archive(tenant_id=acme.id, leaving=leaving, run_id=None, now=timezone.now())
        writer.start()
    assert [(each.message.id, each.replayed) for each in stored] == [(str(lisbon.id), True)]
    assert not Message.objects.exists()
    assert ArchivedMessage.objects.get().id == lisbon.id
    assert not EmbeddingJob.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_one_that_is_being_restored_is_replayed(bot, acme, lisbon):
    archive_all(acme, lisbon)
    with transaction.atomic():
        archive.from_archive(tenant_id=acme.id, ids=archive.lock_archived(tenant_id=acme.id, ids=[lisbon.id]))
        stored = []

        def write() -> None:
            stored.append(store(bot).json())
            connection.close()

        writer = threading.Thread(target=write)
        writer.start()
        writer.join()
    assert stored[0]["id"] == str(lisbon.id)
    assert Message.objects.get().id == lisbon.id


@pytest.mark.django_db(transaction=True)
def test_storing_archiving_and_restoring_at_once_leave_one(acme, lisbon):
    """A writer may be told to try again where the holder moves faster than it looks; it never stores a second one."""
    ends, faults = threading.Event(), []

    def again_and_again(step) -> None:
        try:
            while not ends.is_set():
                step()
        except Exception as error:
            faults.append(error)
        connection.close()

    def write() -> None:
        new = ingest.NewMessage(conversation_id="c", role="user", content=BODY["content"], external_id="x-1")
        with suppress(ingest.ExternalIdConflict):
            ingest.store(tenant=acme, messages=[new])

    steps = [write, write, lambda: archive_all(acme, lisbon), lambda: restore_all(acme)]
    threads = [threading.Thread(target=again_and_again, args=[step]) for step in steps]
    for thread in threads:
        thread.start()
    ends.wait(2)
    ends.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert [*Message.objects.values_list("id", flat=True), *ArchivedMessage.objects.values_list("id")] in (
        [lisbon.id],
        [(lisbon.id,)],
    )
