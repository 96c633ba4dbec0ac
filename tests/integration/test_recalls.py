"""When a message was last recalled: noted by answers that are sent, moved to the database by beat."""

import threading
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.db import connection, transaction
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from memories import archive, recalls, search, tasks
from memories.models import ArchivedMessage, Message, MessageRecall
from tests.factories import remember
from tests.integration.test_archive import archive_all, restore_all

SEARCH, CONTEXT, EXPLAIN = "/v1/memory/search", "/v1/memory/context", "/v1/memory/explain"


@pytest.fixture
def tea(acme) -> Message:
    [message] = remember(acme, "green tea")
    tasks.drain()
    return message


def recalled() -> dict:
    """By message id, what the database knows after a flush."""
    tasks.flush_recalls()
    rows = MessageRecall.objects.values_list("message_id", "last_recalled_at")
    return dict(rows)


def waiting(operator) -> float:
    recalls.bring()
    text = operator.get("/metrics").content.decode()
    [family] = [
        each for each in text_string_to_metric_families(text) if each.name == "memory_recalls_waiting"
    ]
    return family.samples[0].value


def test_it_works(reader, operator, acme, tea):
    remember(acme, "the weather", conversation="other")
    before = timezone.now().replace(microsecond=0)
    assert reader.get(SEARCH, query="tea", mode="text").status_code == 200
    assert not MessageRecall.objects.exists(), "a search writes nothing to the database"
    assert waiting(operator) == 1
    [(message_id, at)] = recalled().items()
    assert (message_id, before <= at <= timezone.now()) == (tea.id, True)
    assert waiting(operator) == 0
    assert not cache.redis.keys("*recalls*")


@pytest.mark.parametrize("seconds", [0, 60])
def test_every_answer_counts_but_not_a_repeated_one(reader, tea, settings, seconds):
    settings.ENV = settings.ENV.model_copy(update={"search_cache_seconds": seconds})
    reader.post(SEARCH, {"query": "tea"})
    assert recalled().keys() == {tea.id}
    MessageRecall.objects.all().delete()
    reader.post(SEARCH, {"query": "tea"})
    assert recalled().keys() == (set() if seconds else {tea.id})


def test_contexts_count_with_all_that_is_in_them(bot, acme, tea):
    [reply] = remember(acme, "so do I", role="assistant")
    bot.post(CONTEXT, {"query": "tea", "conversation_id": "conv-1"})
    assert recalled().keys() == {tea.id, reply.id}
    MessageRecall.objects.all().delete()
    new = {"conversation_id": "new", "role": "user", "content": "Which tea?", "return_context": True}
    bot.post("/v1/messages", new)
    assert recalled().keys() == {tea.id, reply.id}


def test_what_nobody_is_answered_does_not_count(reader, acme, tea):
    reader.post(EXPLAIN, {"query": "tea", "message_id": str(tea.id)})
    search.search(tenant=acme, text="tea", top_k=5)
    reader.get(SEARCH, query="tea", role="tool")
    reader.get(f"/v1/messages/{tea.id}")
    reader.get("/v1/messages")
    assert recalled() == {}
    assert not recalls._pending
    assert recalls.waiting() == 0


def test_the_latest_counts(acme, tea):
    later = timezone.now() + timedelta(days=1)
    MessageRecall.objects.create(tenant=acme, message_id=tea.id, last_recalled_at=later)
    recalls.note(tenant_id=acme.id, message_ids=[str(tea.id)])
    assert recalled() == {tea.id: later}
    MessageRecall.objects.update(last_recalled_at=datetime(2020, 1, 1, tzinfo=UTC))
    recalls.note(tenant_id=acme.id, message_ids=[str(tea.id)])
    assert recalled()[tea.id] > datetime(2026, 1, 1, tzinfo=UTC)


def test_an_archived_message_is_recalled_in_the_archive_and_brings_it_back(reader, acme, tea):
    reader.get(SEARCH, query="tea")
    archive_all(acme, tea)
    assert recalled() == {}
    first = ArchivedMessage.objects.get().last_recalled_at
    assert first is not None
    ArchivedMessage.objects.update(last_recalled_at=first - timedelta(days=9))
    reader.get(SEARCH, query="tea", include_archived="true")
    tasks.flush_recalls()
    assert ArchivedMessage.objects.get().last_recalled_at >= first
    restore_all(acme)
    assert MessageRecall.objects.get().message_id == tea.id


def test_what_is_gone_or_anothers_is_dropped(acme, globex, tea):
    recalls.note(tenant_id=acme.id, message_ids=[str(uuid4()), str(tea.id)])
    recalls.note(tenant_id=globex.id, message_ids=[str(tea.id)])
    recalls.note(tenant_id=globex.id + 999, message_ids=[str(tea.id)])
    assert recalls.flush() == 1
    assert MessageRecall.objects.get().tenant_id == acme.id
    assert recalls.waiting() == 0


def test_what_is_forgotten_leaves_nothing_in_redis(acme, tea):
    [other] = remember(acme, "black tea")
    recalls.note(tenant_id=acme.id, message_ids=[str(tea.id), str(other.id)])
    recalls.forget(tenant_id=acme.id, message_ids=[tea.id])
    assert cache.redis.hkeys(cache.make_key("recalls")) == [f"{acme.id}:{other.id}".encode()]
    assert recalled().keys() == {other.id}
    recalls.forget(tenant_id=acme.id, message_ids=[])


def test_many_are_moved_in_chunks(acme, monkeypatch):
    messages = remember(acme, *(f"tea number {n}" for n in range(1000)))
    monkeypatch.setattr(recalls, "CHUNK", 100)
    recalls.note(tenant_id=acme.id, message_ids=[str(message.id) for message in messages])
    assert len(recalled()) == 1000
    assert recalls.flush() == 0


def test_a_crash_between_the_two_loses_nothing(acme, tea, monkeypatch):
    recalls.note(tenant_id=acme.id, message_ids=[str(tea.id)])
    with monkeypatch.context() as broken:
        broken.setattr(recalls, "_WRITE", recalls._WRITE.replace("FROM there\n", "FROM nowhere\n"))
        with pytest.raises(Exception, match="nowhere"), transaction.atomic():
            recalls.flush()
    assert recalled().keys() == {tea.id}


def test_without_redis_answers_are_given_and_recalls_lost(reader, operator, tea, outage):
    with outage():
        assert len(reader.get(SEARCH, query="tea").json()["results"]) == 1
        assert reader.post(CONTEXT, {"query": "tea"}).status_code == 200
        assert (recalls.flush(), recalls.waiting()) == (0, None)
        assert operator.get("/metrics").status_code == 200
        recalls.forget(tenant_id=tea.tenant_id, message_ids=[tea.id])
    assert recalled() == {}
    assert not recalls._pending, "they do not pile up while it is down"


@pytest.mark.django_db(transaction=True)
def test_one_that_is_being_archived_is_recalled_there(acme, tea):
    recalls.note(tenant_id=acme.id, message_ids=[str(tea.id)])

    def flush() -> None:
        recalls.flush()
        connection.close()

    flusher = threading.Thread(target=flush)
    with transaction.atomic():
        ids = archive.lock_messages(tenant_id=acme.id, ids=[tea.id])
        leaving = [archive.Leaving(message_id=each, policy="old", reason="old") for each in ids]
        archive.to_archive(tenant_id=acme.id, leaving=leaving, run_id=None, now=timezone.now())
        flusher.start()
        flusher.join(0.3)
        assert flusher.is_alive(), "it waits for the row"
    flusher.join()
    assert ArchivedMessage.objects.get().last_recalled_at is not None


@pytest.mark.django_db(transaction=True)
def test_noting_and_flushing_at_once_lose_nothing(acme):
    messages = remember(acme, *(f"tea number {n}" for n in range(200)))
    ends, faults = threading.Event(), []

    def flush() -> None:
        try:
            while not ends.is_set():
                recalls.flush()
        except Exception as error:
            faults.append(error)
        connection.close()

    flushers = [threading.Thread(target=flush) for _ in range(2)]
    for flusher in flushers:
        flusher.start()
    for message in messages:
        recalls.note(tenant_id=acme.id, message_ids=[str(message.id)])
    ends.set()
    for flusher in flushers:
        flusher.join()
    assert faults == []
    assert len(recalled()) == 200
    assert recalls.waiting() == 0
