"""Changing the embedding model: filled beside the old one, switched to when complete, switched back, dropped."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models.functions import Now

from memories import ingest, leases, reembedding, search, tasks
from memories.embeddings import EmbeddingError, Fault, Identity, embed
from memories.models import EmbeddingJob, EmbeddingSpace, Message, MessageEmbedding
from tests.at_once import somebody_waits, until
from tests.factories import remember

NEW = Identity("mock", "hashed-words", 64)


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def filled(identity: Identity = NEW) -> EmbeddingSpace:
    space = reembedding.space_for(identity)
    list(reembedding.fill(space))
    tasks.drain()
    return space


def sizes(tenant) -> list[int]:
    rows = MessageEmbedding.objects.filter(tenant=tenant).values_list("embedding", flat=True)
    return sorted(len(vector) for vector in rows)


def test_it_works(acme, bot):
    remember(acme, "green tea", "black coffee")
    tasks.drain()
    space = filled()
    assert sizes(acme) == [64, 64, 256, 256]
    reembedding.switch(space)
    assert EmbeddingSpace.objects.get(active=True) == space
    answer = bot.get("/v1/memory/search", query="green tea", mode="vector").json()
    assert (answer["results"][0]["content"], answer["degraded"]) == ("green tea", False)


def test_filling_is_not_seen_by_callers(acme, bot):
    [message] = remember(acme, "green tea")
    tasks.drain()
    list(reembedding.fill(reembedding.space_for(NEW)))
    assert EmbeddingJob.objects.count() == 1
    assert bot.get(f"/v1/messages/{message.id}").json()["embedding_status"] == "ready"
    assert bot.get("/v1/memory/search", query="tea").json()["results"][0]["embedding_status"] == "ready"


def test_new_and_edited_messages_reach_every_space(acme):
    [old] = remember(acme, "an old message")
    tasks.drain()
    space = filled()
    remember(acme, "a new message")
    ingest.edit(tenant=acme, message_id=old.id, changes={"content": "an edited message"})
    tasks.drain()
    assert sizes(acme) == [64, 64, 256, 256]
    vector = MessageEmbedding.objects.get(tenant=acme, space=space, message_id=old.id).embedding
    assert vector == pytest.approx(embed(["an edited message"], NEW)[0], abs=1e-3)


def test_new_messages_are_embedded_before_old_ones(acme):
    remember(acme, *(f"old {n}" for n in range(3)))
    tasks.drain()
    list(reembedding.fill(reembedding.space_for(NEW)))
    remember(acme, "new")
    tasks.jobs.run_batch()
    assert sizes(acme) == [256] * 4


def test_a_filling_that_was_broken_off_goes_on(acme, monkeypatch):
    monkeypatch.setattr(reembedding, "CHUNK", 3)
    remember(acme, *(f"message {n}" for n in range(10)))
    tasks.drain()
    space = reembedding.space_for(NEW)
    chunks = reembedding.fill(space)
    first, second = next(chunks), next(chunks)
    assert (first.jobs, second.jobs) == (3, 3)
    assert sum(made.jobs for made in reembedding.fill(space, after=second.after)) == 4
    assert sum(made.jobs for made in reembedding.fill(space)) == 0
    tasks.drain()
    assert reembedding.progress(space).missing == 0


def test_an_incomplete_space_is_refused(acme, monkeypatch, settings):
    settings.ENV = settings.ENV.model_copy(update={"embedding_batch_size": 1})
    remember(acme, "one", "two", "three")
    tasks.drain()
    space = reembedding.space_for(NEW)
    with pytest.raises(reembedding.CannotSwitch, match="3 were never asked for"):
        reembedding.switch(space)
    list(reembedding.fill(space))
    with pytest.raises(reembedding.CannotSwitch, match="3 messages wait"):
        reembedding.switch(space)

    def refuse(texts, identity):
        raise EmbeddingError("refused", fault=Fault.TEXT)

    monkeypatch.setattr(tasks.jobs, "embed", refuse)
    tasks.drain()
    with pytest.raises(reembedding.CannotSwitch, match="3 were given up"):
        reembedding.switch(space)


def test_switching_back_works_after_new_messages(acme, bot):
    remember(acme, "before the switch")
    tasks.drain()
    old = EmbeddingSpace.objects.get()
    new = filled()
    reembedding.switch(new)
    remember(acme, "after the switch")
    tasks.drain()
    reembedding.switch(old)
    found = bot.get("/v1/memory/search", query="after the switch", mode="vector", top_k=2).json()["results"]
    assert {hit["content"] for hit in found} == {"before the switch", "after the switch"}


def test_dropping_ends_the_second_embedding(acme):
    remember(acme, "one")
    tasks.drain()
    old, new = EmbeddingSpace.objects.get(), filled()
    with pytest.raises(ValueError, match="active"):
        reembedding.drop(old)
    reembedding.switch(new)
    assert reembedding.drop(old) == 1
    remember(acme, "two")
    tasks.drain()
    assert sizes(acme) == [64, 64]


@pytest.mark.django_db(transaction=True)
def test_dropping_waits_for_no_worker_that_may_wait_for_it(acme):
    """A worker has one job and comes for the other: whichever of the two is gone then, nobody deadlocks."""
    first, second = (message.id for message in remember(acme, "one", "two"))
    space = reembedding.space_for(NEW)
    list(reembedding.fill(space))
    jobs = EmbeddingJob.objects.filter(space=space)

    def drop() -> int:
        try:
            return reembedding.drop(space)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            jobs.filter(message_id=second).delete()
            dropping = pool.submit(drop)
            until(lambda: somebody_waits() or not jobs.filter(message_id=first).exists())
            jobs.filter(message_id=first).delete()
        assert dropping.result(30) == 0
    assert not EmbeddingSpace.objects.filter(id=space.id).exists()


def test_the_estimate_counts_what_is_missing(acme):
    remember(acme, "x" * 299, "y" * 299)
    tasks.drain()
    space = reembedding.space_for(NEW)
    assert reembedding.estimate(space) == reembedding.Estimate(messages=2, tokens=202)
    list(reembedding.fill(space))
    tasks.drain()
    assert reembedding.estimate(space).messages == 0


@pytest.mark.django_db(transaction=True)
def test_a_switch_under_load_fails_no_search_and_no_write(acme):
    """Searches and writes go on while the model changes there and back and the old space is dropped."""
    remember(acme, *(f"message {n}" for n in range(200)))
    tasks.drain()
    stop, faults, counts = threading.Event(), [], {"search": 0, "store": 0}

    def loop(name, work) -> None:
        while not stop.is_set():
            try:
                work()
                counts[name] += 1
            except Exception as error:
                faults.append(error)
        connection.close()

    def look() -> None:
        answer = search.search(tenant=acme, text="message 7", top_k=5)
        assert len(answer.found) == 5
        assert not answer.degraded

    def store() -> None:
        remember(acme, "one more message")
        tasks.drain()

    threads = [threading.Thread(target=loop, args=args) for args in (("search", look), ("store", store))]
    for thread in threads:
        thread.start()
    old = EmbeddingSpace.objects.get()
    new = filled()
    reembedding.switch(new)
    reembedding.switch(old)
    reembedding.switch(new)
    reembedding.drop(old)
    stop.set()
    for thread in threads:
        thread.join()
    tasks.drain()
    assert faults == []
    assert min(counts.values()) > 0
    assert MessageEmbedding.objects.filter(tenant=acme).count() == Message.objects.for_tenant(acme.id).count()


def test_the_commands(acme, monkeypatch):
    remember(acme, "one", "two")
    tasks.drain()
    options = ("--provider", "mock", "--dimensions", "64")
    assert "2 messages to embed, at most 4 tokens" in run("reembed", *options, "--dry-run")
    assert EmbeddingSpace.objects.count() == 1
    monkeypatch.setattr("memories.management.commands.reembed.time.sleep", lambda _: tasks.drain())
    said = run("reembed", *options, "--yes")
    number = EmbeddingSpace.objects.get(active=False).id
    assert f"2 of 2 messages, 0 missing (0 given up). Search it with: manage.py switch_space {number}" in said
    assert f"  {number}: mock/hashed-words (64), 2 of 2 messages" in run("switch_space")
    assert "Searches read mock/hashed-words (64)" in run("switch_space", str(number))
    with pytest.raises(CommandError, match="active"):
        run("drop_space", str(number))
    with pytest.raises(CommandError, match="no space 99"):
        run("switch_space", "99")
    old = EmbeddingSpace.objects.get(active=False)
    assert "with 2 vectors" in run("drop_space", str(old.id))


def test_without_a_worker_the_command_says_so(acme, monkeypatch):
    remember(acme, "one")
    tasks.drain()
    monkeypatch.setattr("memories.management.commands.reembed.IDLE_SECONDS", 0.0)
    monkeypatch.setattr("memories.management.commands.reembed.POLL_SECONDS", 0.0)
    with pytest.raises(CommandError, match="does a worker run"):
        run("reembed", "--dimensions", "64", "--yes")
    EmbeddingJob.objects.update(next_attempt_at=Now())


@pytest.mark.django_db(transaction=True)
def test_a_space_that_is_being_removed_waits_for_a_worker_that_still_fills_it(acme, monkeypatch):
    """The race: the removal holds the space and looks for its jobs, the worker holds a job and looks for its space."""
    remember(acme, "the cellar is dark")
    space, token = EmbeddingSpace.objects.get(), uuid.uuid4()
    claims = leases.claim(space_id=space.id, token=token)
    EmbeddingSpace.objects.update(active=False)
    replace, faults = leases.stored_vectors.replace, []

    def remove() -> None:
        try:
            reembedding._remove_if_empty(space)
        except Exception as error:
            faults.append(error)
        finally:
            connection.close()

    remover = threading.Thread(target=remove)

    def late(messages, *, space_id):
        remover.start()
        remover.join(0.5)
        assert remover.is_alive()
        replace(messages, space_id=space_id)

    monkeypatch.setattr(leases.stored_vectors, "replace", late)
    assert leases.finish(claims, embed(["the cellar is dark"]), space_id=space.id, token=token) == 1
    remover.join(10)
    assert faults == []
    assert MessageEmbedding.objects.filter(space=space).count() == 1
