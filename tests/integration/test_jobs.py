"""Embedding jobs: claimed under a lease, stored by whoever still holds it, never lost."""

import threading
import uuid

import pytest
from django.db import connection
from django.db.models.functions import Now

from memories import caching, ingest, jobs, leases, tasks, whole_messages
from memories.embeddings import EmbeddingError, Fault, embed
from memories.models import EmbeddingJob, EmbeddingSpace, Message, MessageEmbedding
from tests.factories import remember


def vectors_of(tenant) -> dict[uuid.UUID, list[float]]:
    return {row.message_id: row.embedding for row in MessageEmbedding.objects.filter(tenant=tenant)}


def failing(monkeypatch, fault: Fault, *, only: str = "", retry_after: float = 0) -> None:
    def refuse(texts, identity):
        if not only or any(only in text for text in texts):
            raise EmbeddingError("as ordered", fault=fault, retry_after_seconds=retry_after)
        return embed(texts, identity)

    monkeypatch.setattr(jobs, "embed", refuse)


def test_it_works(acme):
    messages = remember(acme, "one", "two", "three")
    assert tasks.drain() == 3
    assert set(vectors_of(acme)) == {message.id for message in messages}
    assert not EmbeddingJob.objects.exists()
    assert jobs.run_batch() == 0


def test_the_speakers_name_is_embedded(acme):
    [message] = remember(acme, "I went hiking", name="Ann")
    tasks.drain()
    expected = embed(["Ann: I went hiking"])[0]
    assert vectors_of(acme)[message.id] == pytest.approx(expected, abs=1e-3)


def test_vectors_are_not_loaded_with_messages(acme, django_assert_num_queries):
    remember(acme, "one")
    tasks.drain()
    with django_assert_num_queries(1) as queries:
        list(Message.objects.for_tenant(acme.id))
    assert "embedding" not in queries[0]["sql"]


def test_an_outage_backs_off_and_buries_nothing(acme, monkeypatch):
    remember(acme, "one")
    failing(monkeypatch, Fault.PROVIDER)
    for _ in range(40):
        EmbeddingJob.objects.update(next_attempt_at=Now())
        jobs.run_batch()
    job = EmbeddingJob.objects.get()
    assert (job.attempts, job.buried_at, job.last_error) == (40, None, "as ordered")
    monkeypatch.undo()
    EmbeddingJob.objects.update(next_attempt_at=Now())
    jobs.run_batch()
    assert len(vectors_of(acme)) == 1


def test_no_retry_sooner_than_the_provider_asked(acme, monkeypatch):
    remember(acme, "one")
    failing(monkeypatch, Fault.PROVIDER, retry_after=3600)
    jobs.run_batch()
    job = EmbeddingJob.objects.get()
    assert (job.next_attempt_at - job.created_at).total_seconds() >= 3600
    assert not EmbeddingJob.objects.due().exists()


def test_a_refused_text_is_buried_alone(acme, monkeypatch):
    messages = remember(acme, *(f"text {n}" for n in range(99)), "poison")
    failing(monkeypatch, Fault.TEXT, only="poison")
    tasks.drain()
    assert len(vectors_of(acme)) == 99
    job = EmbeddingJob.objects.get()
    assert job.message_id == messages[-1].id
    assert job.buried_at is not None
    [row] = whole_messages.live(acme.id, [str(messages[-1].id)])
    assert row.embedding_status == "failed"


def test_a_claimed_job_is_left_alone_until_its_lease_ends(acme):
    remember(acme, "one")
    space = EmbeddingSpace.objects.get()
    assert len(leases.claim(space_id=space.id, token=uuid.uuid4())) == 1
    assert jobs.run_batch() == 0
    EmbeddingJob.objects.update(next_attempt_at=Now())  # the lease has run out: its worker died
    assert jobs.run_batch() == 1
    assert len(vectors_of(acme)) == 1


def test_a_worker_that_was_too_slow_stores_nothing(acme):
    remember(acme, "one")
    space, slow = EmbeddingSpace.objects.get(), uuid.uuid4()
    claims = leases.claim(space_id=space.id, token=slow)
    EmbeddingJob.objects.update(next_attempt_at=Now())
    leases.claim(space_id=space.id, token=uuid.uuid4())  # somebody else has it now
    assert leases.finish(claims, [[0.0] * 256], space_id=space.id, token=slow) == 0
    assert vectors_of(acme) == {}
    assert EmbeddingJob.objects.count() == 1


def test_an_edit_in_flight_ends_with_the_new_text(acme):
    [message] = remember(acme, "the old text")
    space, token = EmbeddingSpace.objects.get(), uuid.uuid4()
    claims = leases.claim(space_id=space.id, token=token)
    ingest.edit(tenant=acme, message_id=message.id, changes={"content": "a new text"})
    assert leases.finish(claims, embed(["the old text"]), space_id=space.id, token=token) == 0
    tasks.drain()
    assert vectors_of(acme)[message.id] == pytest.approx(embed(["a new text"])[0], abs=1e-3)


def test_an_edited_message_gets_a_new_vector(acme):
    [message] = remember(acme, "the old text")
    tasks.drain()
    ingest.edit(tenant=acme, message_id=message.id, changes={"content": "a new text"})
    assert vectors_of(acme) == {}, "the old text's would be found by what is no longer said"
    assert tasks.drain() == 1
    assert vectors_of(acme)[message.id] == pytest.approx(embed(["a new text"])[0], abs=1e-3)


def test_an_edited_text_that_is_refused_is_found_by_its_words_alone(acme, bot, monkeypatch):
    [message] = remember(acme, "the old text")
    tasks.drain()
    path = f"/v1/messages/{message.id}"
    failing(monkeypatch, Fault.TEXT, only="poison")
    assert bot.patch(path, {"content": "poison ivy"}).json()["embedding_status"] == "pending"
    tasks.drain()
    assert bot.get(path).json()["embedding_status"] == "failed"
    for query, by_words in (("ivy", 1), ("the old text", 0)):
        answer = bot.get("/v1/memory/search", query=query, explain="true").json()
        found = answer["explain"]["candidates"]
        assert (found["by_words"], found["by_vector"]) == (by_words, 0)
        assert [hit["embedding_status"] for hit in answer["results"]] == ["failed"]


def test_a_message_deleted_in_flight_stays_deleted(acme):
    [message] = remember(acme, "one")
    space, token = EmbeddingSpace.objects.get(), uuid.uuid4()
    claims = leases.claim(space_id=space.id, token=token)
    assert ingest.delete(tenant=acme, message_id=message.id)
    assert leases.finish(claims, [[0.0] * 256], space_id=space.id, token=token) == 0
    assert vectors_of(acme) == {}


def test_a_changed_setting_mixes_no_vectors_of_two_models(acme, settings):
    """The space that the stored vectors are in decides, not the settings."""
    remember(acme, "one")
    settings.ENV = settings.ENV.model_copy(update={"embedding_dimensions": 128})
    remember(acme, "two")
    assert tasks.drain() == 2
    assert {len(vector) for vector in vectors_of(acme).values()} == {256}


def test_a_space_whose_provider_is_gone_waits(acme):
    remember(acme, "one")
    EmbeddingSpace.objects.update(provider="no-longer-there")
    jobs.run_batch()
    job = EmbeddingJob.objects.get()
    assert job.buried_at is None
    assert "no-longer-there" in job.last_error


def test_the_sweeper_hints_only_when_something_is_due(acme, hints):
    tasks.sweep()
    assert hints == []
    remember(acme, "one")
    tasks.sweep()
    assert len(hints) == 1


def test_a_task_embeds_what_comes_while_it_lingers(acme, monkeypatch):
    remember(acme, "one")
    late = iter(["two", "three"])
    monkeypatch.setattr(
        tasks.time, "sleep", lambda _: [remember(acme, text) for text in [next(late, None)] if text]
    )
    monkeypatch.setattr(tasks, "LINGER_SECONDS", 0.2)
    assert tasks.embed_pending() == 3
    assert len(vectors_of(acme)) == 3


def test_what_came_at_the_last_moment_gets_a_new_hint(acme, monkeypatch, hints):
    monkeypatch.setattr(tasks, "LINGER_SECONDS", 0.0)
    remember(acme, "stored between the last look and the letting go")
    tasks.embed_pending()
    assert len(hints) == 1
    assert not caching.first_hint()


def test_one_whose_time_is_over_has_a_successor(db, monkeypatch, hints):
    """Nothing is left to do; but others may have found it awake, and do not ask again."""
    monkeypatch.setattr(tasks, "WORK_SECONDS", 0.0)
    tasks.embed_pending()
    assert len(hints) == 1


def test_who_found_a_worker_awake_does_not_ask_again_at_once(monkeypatch, hints):
    tasks.hint()
    caching.drop_hint()
    tasks.hint()
    assert len(hints) == 1
    tasks._awake.until -= tasks.AWAKE_SECONDS
    tasks.hint()
    assert len(hints) == 2


def test_who_has_no_answer_asks_again(outage, hints):
    with outage():
        tasks.hint()
    tasks.hint()
    assert len(hints) == 1


def test_a_full_batch_calls_one_other_worker_in(acme, monkeypatch, hints, settings):
    settings.ENV = settings.ENV.model_copy(update={"embedding_batch_size": 2})
    monkeypatch.setattr(tasks, "LINGER_SECONDS", 0.1)
    remember(acme, *(f"text {n}" for n in range(7)))
    assert tasks.embed_pending() == 7
    assert len(hints) == 1


@pytest.mark.django_db(transaction=True)
def test_embedding_happens_outside_any_transaction(acme, monkeypatch):
    remember(acme, "one")
    seen = []
    monkeypatch.setattr(
        jobs, "embed", lambda texts, _: seen.append(connection.in_atomic_block) or embed(texts)
    )
    jobs.run_batch()
    assert seen == [False]


@pytest.mark.django_db(transaction=True)
def test_four_workers_embed_each_message_once(acme, settings):
    settings.ENV = settings.ENV.model_copy(update={"embedding_batch_size": 16})
    remember(acme, *(f"text {n}" for n in range(400)))
    taken = []

    def work() -> None:
        taken.append(tasks.drain())
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 400
    assert len(vectors_of(acme)) == 400
    assert not EmbeddingJob.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_deleting_races_with_storing_and_leaves_nothing_behind(acme):
    """Whichever comes first, no vector outlives its message, and nobody deadlocks."""
    messages = remember(acme, *(f"text {n}" for n in range(60)))
    start = threading.Barrier(2)

    def work() -> None:
        start.wait()
        tasks.drain()
        connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    start.wait()
    for message in reversed(messages):
        assert ingest.delete(tenant=acme, message_id=message.id)
    worker.join()
    assert not MessageEmbedding.objects.filter(tenant=acme).exists()
    assert not EmbeddingJob.objects.exists()
