"""Codebooks are trained, filled and replaced while searches and writes go on, whoever is killed."""

import threading
import uuid
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from memories import codebooks, ingest, jobs, leases, reembedding, tasks, training
from memories.embeddings import Identity
from memories.models import Centroid, EmbeddingSpace, MessageEmbedding
from memories.spaces import forget_active_space
from tenants.models import Tenant
from tests.factories import remember
from tests.large_tenants import TOPICS, buckets, chat, generations, ids, method


@pytest.fixture(autouse=True)
def small(settings):
    """Large is what has more than 50 vectors; all buckets are looked into, unless a test says less."""
    settings.ENV = settings.ENV.model_copy(update={"exact_search_vectors": 50, "probes": 4096})


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_every_state_of_a_transition_answers_alike(acme, bot, monkeypatch):
    """Trained and nothing moved, some moved, all moved; then the same with a second codebook beside the first."""
    chat(acme, 120)
    exact = ids(bot)
    monkeypatch.setattr(codebooks, "CHUNK", 25)
    space = EmbeddingSpace.objects.get()
    for generation in (1, 2):
        book = codebooks.train(acme.id, space=space)
        place = codebooks.START
        for moved in (0, 25, 50, 75, 100):
            assert MessageEmbedding.objects.filter(bucket__gte=book.first).count() == moved
            assert generations(acme) == set(range(1, generation + 1))
            assert codebooks.retire_older(book) is (generation == 1)
            assert ids(bot) == exact
            place = codebooks.assign_chunk(book, after=place)
        assert codebooks.assign_chunk(book, after=place) is None
        assert ids(bot) == exact
        assert codebooks.retire_older(book)
        assert generations(acme) == {generation}
        assert codebooks.is_filled(book)
        assert ids(bot) == exact


def test_killed_in_mid_assignment_it_goes_on(acme, bot, monkeypatch):
    chat(acme)
    exact = ids(bot)
    monkeypatch.setattr(codebooks, "CHUNK", 25)
    whole = codebooks.assign_chunk
    chunks = []

    def killed(book, *, after):
        if len(chunks) == 2:
            raise KeyboardInterrupt
        chunks.append(after)
        return whole(book, after=after)

    monkeypatch.setattr(codebooks, "assign_chunk", killed)
    with pytest.raises(KeyboardInterrupt):
        tasks.train_codebooks()
    assert 0 in buckets(acme)
    assert len(buckets(acme)) > 1
    assert ids(bot) == exact
    monkeypatch.setattr(codebooks, "assign_chunk", whole)
    before = list(Centroid.objects.order_by("bucket").values_list("bucket", flat=True))
    tasks.train_codebooks()
    assert 0 not in buckets(acme)
    assert list(Centroid.objects.order_by("bucket").values_list("bucket", flat=True)) == before
    assert ids(bot) == exact
    assert training.due_tenants(EmbeddingSpace.objects.get()) == []


def test_out_of_time_it_goes_on_at_the_next_beat(acme, monkeypatch):
    chat(acme)
    space = EmbeddingSpace.objects.get()
    assert training.tend(acme.id, space=space, seconds=0) is False
    assert buckets(acme) == {0}
    assert training.due_tenants(space) == [acme.id]
    assert training.tend(acme.id, space=space, seconds=60) is True
    assert training.due_tenants(space) == []


def test_a_tenant_that_has_grown_fourfold_is_trained_anew(acme, bot):
    chat(acme, 60)
    tasks.train_codebooks()
    first = Centroid.objects.filter(tenant=acme).count()
    chat(acme, 60)
    tasks.train_codebooks()
    assert generations(acme) == {1}
    chat(acme, 180)
    exact = ids(bot)
    tasks.train_codebooks()
    assert generations(acme) == {2}
    assert Centroid.objects.filter(tenant=acme).count() > 1.9 * first
    assert min(buckets(acme)) >= 2 * codebooks.GENERATION
    assert ids(bot) == exact


def test_no_tenant_is_sorted_by_anothers_codebook(acme, globex, bot, outsider):
    chat(acme)
    chat(globex, 40)
    tasks.train_codebooks()
    assert method(bot)["method"] == "buckets"
    assert method(outsider)["method"] == "exact"
    assert not Centroid.objects.filter(tenant=globex).exists()
    remember(acme, "tea for two")
    remember(globex, "tea for two")
    tasks.drain()
    assert buckets(globex) == {0}
    assert 0 not in buckets(acme)
    chat(globex, 40)
    tasks.train_codebooks()
    mine = set(Centroid.objects.filter(tenant=globex).values_list("bucket", flat=True))
    assert buckets(globex) <= mine
    assert all(len(hits) == 20 for hits in ids(outsider))


def test_equal_tenants_get_equal_codebooks_and_other_ones_others(acme, globex):
    chat(acme)
    other = Tenant.objects.create(name="other")
    remember(globex, *(f"{TOPICS[n % 7]} entirely different {n}" for n in range(120)))
    chat(other)
    tasks.train_codebooks()
    books = [
        [tuple(row.centroid) for row in Centroid.objects.filter(tenant=tenant).order_by("bucket")]
        for tenant in (acme, globex, other)
    ]
    assert not set(books[0]) & set(books[1])


def test_dropping_a_space_drops_its_codebooks(acme, bot):
    chat(acme)
    tasks.train_codebooks()
    old = EmbeddingSpace.objects.get()
    space = reembedding.space_for(Identity("mock", "hashed-words", 64))
    list(reembedding.fill(space))
    tasks.drain()
    reembedding.switch(space)
    forget_active_space()  # a test's transaction never commits
    assert method(bot)["method"] == "exact"
    assert reembedding.drop(old) == 120
    assert not Centroid.objects.exists()
    tasks.train_codebooks()
    assert method(bot)["method"] == "buckets"


def test_a_deleted_tenant_takes_its_codebook_along(acme):
    chat(acme)
    tasks.train_codebooks()
    acme.delete()
    assert not Centroid.objects.exists()


def test_the_command_says_what_it_did(acme, globex):
    chat(acme)
    chat(globex, 60)
    assert run("train_codebooks", "--tenant", "acme") == "acme: 44 buckets, done\n"
    assert run("train_codebooks") == "globex: 31 buckets, done\n"
    assert run("train_codebooks") == ""
    with pytest.raises(CommandError, match="There is no tenant 'nobody'"):
        run("train_codebooks", "--tenant", "nobody")


@pytest.mark.django_db(transaction=True)
def test_one_trainer_at_a_time(acme):
    chat(acme)
    space = EmbeddingSpace.objects.get()
    answers = []

    def second() -> None:
        answers.append(training.tend(acme.id, space=space, seconds=60))
        connection.close()

    with transaction.atomic():
        assert training._only_trainer()
        other = threading.Thread(target=second)
        other.start()
        other.join()
    assert answers == [False]
    assert not Centroid.objects.exists()
    assert training.tend(acme.id, space=space, seconds=60)


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_still_fills_the_old_buckets_keeps_their_centroids(acme, bot):
    """The race: its transaction began by the old codebook, and commits when the old buckets seem empty."""
    chat(acme)
    space = EmbeddingSpace.objects.get()
    old = codebooks.train(acme.id, space=space)
    [message] = remember(acme, "zebras in the zoo")
    token = uuid.uuid4()
    claims = leases.claim(space_id=space.id, token=token)
    began, go_on, retired = threading.Event(), threading.Event(), []

    def slow_worker() -> None:
        replace = leases.stored_vectors.replace

        def waiting(messages, *, space_id):
            replace(messages, space_id=space_id)
            began.set()
            assert go_on.wait(10)

        leases.stored_vectors.replace = waiting
        try:
            leases.finish(claims, jobs.embed([claims[0].texts[0]]), space_id=space.id, token=token)
        finally:
            leases.stored_vectors.replace = replace
            connection.close()

    def trainer() -> None:
        new = codebooks.train(acme.id, space=space)
        place = codebooks.START
        while place is not None:
            place = codebooks.assign_chunk(new, after=place)
        retired.append(codebooks.retire_older(new))
        connection.close()

    worker = threading.Thread(target=slow_worker)
    worker.start()
    assert began.wait(10)
    remover = threading.Thread(target=trainer)
    remover.start()
    remover.join(1)
    assert remover.is_alive()  # waits for the worker
    go_on.set()
    worker.join()
    remover.join()
    assert retired == [False]
    [row] = MessageEmbedding.objects.filter(message_id=message.id)
    assert row.bucket // codebooks.GENERATION == old.first // codebooks.GENERATION
    assert str(message.id) in ids(bot)[0] or len(ids(bot)[0]) == 20
    assert training.tend(acme.id, space=space, seconds=60)
    assert generations(acme) == {2}


def test_storing_goes_on_while_vectors_are_moved(acme, bot, monkeypatch):
    """A message that is edited between two chunks, and one deleted: neither is lost nor doubled."""
    messages = chat(acme)
    monkeypatch.setattr(codebooks, "CHUNK", 25)
    book = codebooks.train(acme.id, space=EmbeddingSpace.objects.get())
    place = codebooks.assign_chunk(book, after=codebooks.START)
    ingest.edit(tenant=acme, message_id=messages[0].id, changes={"content": "edited meanwhile"})
    ingest.edit(tenant=acme, message_id=messages[-1].id, changes={"content": "edited, too"})
    ingest.delete(tenant=acme, message_id=messages[60].id)
    tasks.drain()
    while place is not None:
        place = codebooks.assign_chunk(book, after=place)
    assert MessageEmbedding.objects.filter(tenant=acme).count() == 119
    assert 0 not in buckets(acme)
