"""Spaces, word statistics, languages and recall measurements while messages are in the archive."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from memories import recount, reembedding, reindexing, search, spaces, tasks
from memories.embeddings import Identity
from memories.models import (
    ArchivedEmbedding,
    EmbeddingJob,
    EmbeddingSpace,
    Message,
    MessageEmbedding,
    TermStatistic,
)
from tests.factories import remember
from tests.integration.test_archive import archive_all, restore_all
from tests.large_tenants import chat

NEW = Identity("mock", "hashed-words", 64)
SEARCH = "/v1/memory/search"


@pytest.fixture
def archived(acme) -> Message:
    """In the first space, beside a live one in both."""
    [old] = remember(acme, "green tea in the archive", conversation="old")
    tasks.drain()
    archive_all(acme, old)
    remember(acme, "black tea")
    reembedding.space_for(NEW)
    tasks.drain()
    list(reembedding.fill(reembedding.space_for(NEW)))
    tasks.drain()
    return old


def hit(api, message, **asked) -> dict:
    found = api.post(SEARCH, {"query": "green tea", "include_archived": True, **asked}).json()
    [row] = [row for row in found["results"] if row["id"] == str(message.id)]
    return row


def test_the_archive_keeps_no_space_from_being_complete(archived):
    progress = reembedding.progress(reembedding.space_for(NEW))
    assert (progress.messages, progress.embedded, progress.missing) == (1, 1, 0)
    reembedding.switch(reembedding.space_for(NEW))


def test_in_a_younger_space_words_find_it_and_it_says_that_it_has_no_vector(reader, acme, archived):
    assert hit(reader, archived)["embedding_status"] == "ready"
    reembedding.switch(reembedding.space_for(NEW))
    spaces.forget_active_space()
    assert hit(reader, archived)["embedding_status"] == "pending"
    assert hit(reader, archived, mode="text")["archived"] is True
    vector = reader.post(SEARCH, {"query": "green tea", "include_archived": True, "mode": "vector"}).json()
    assert str(archived.id) not in [row["id"] for row in vector["results"]]
    restore_all(acme)
    assert EmbeddingJob.objects.get().space == reembedding.space_for(NEW)
    tasks.drain()
    assert hit(reader, archived, mode="vector")["embedding_status"] == "ready"


def test_dropping_a_space_drops_the_archives_vectors_of_it(reader, acme, archived):
    old = EmbeddingSpace.objects.get(active=True)
    reembedding.switch(reembedding.space_for(NEW))
    assert reembedding.drop(old) == 2
    assert not ArchivedEmbedding.objects.exists()
    assert list(EmbeddingSpace.objects.values_list("model", flat=True)) == [NEW.model]
    restore_all(acme)
    tasks.drain()
    assert set(MessageEmbedding.objects.values_list("message_id", "space__model")) == {
        (archived.id, NEW.model),
        (Message.objects.get(content="black tea").id, NEW.model),
    }


@pytest.mark.django_db(transaction=True)  # a foreign key is checked at the commit
def test_dropping_a_space_goes_on_although_a_vector_comes_to_the_archive_meanwhile(
    acme, archived, monkeypatch
):
    old = EmbeddingSpace.objects.get(active=True)
    reembedding.switch(reembedding.space_for(NEW))
    remove, late = reembedding._remove_if_empty, [ArchivedEmbedding.objects.get()]

    def come_then_remove(space):
        if late:
            late.pop().save(force_insert=True)
        remove(space)

    monkeypatch.setattr(reembedding, "_remove_if_empty", come_then_remove)
    assert reembedding.drop(old) == 3
    assert not EmbeddingSpace.objects.filter(id=old.id).exists()
    assert not ArchivedEmbedding.objects.exists()


def test_statistics_are_the_memorys_alone(acme, archived):
    assert not recount.check(acme).wrong
    assert set(TermStatistic.objects.values_list("term", flat=True)) == {"black", "tea"}


def test_a_change_of_language_leaves_the_archive_until_it_comes_back(reader, acme, archived):
    acme.language = "german"
    acme.save()
    reindexing.reindex()
    assert reindexing.due() == []
    assert hit(reader, archived)["archived"] is True
    restore_all(acme)
    tasks.drain()
    assert reindexing.reindex() == 1
    assert set(Message.objects.values_list("language", flat=True)) == {"german"}


def test_recall_is_measured_on_the_memory(acme, settings):
    settings.ENV = settings.ENV.model_copy(update={"exact_search_vectors": 50})
    messages = chat(acme)
    call_command("train_codebooks", stdout=StringIO())
    archive_all(acme, *messages[:40])
    out = StringIO()
    call_command("check_recall", "--queries", "20", stdout=out)
    assert "over 20 queries" in out.getvalue()


def test_search_by_words_when_nothing_is_left_in_the_memory(reader, acme):
    messages = remember(acme, "green tea", "black tea")
    tasks.drain()
    archive_all(acme, *messages)
    tasks.drain()
    for mode in search.MODES:
        found = reader.post(SEARCH, {"query": "tea", "include_archived": True, "mode": mode, "explain": True})
        assert len(found.json()["results"]) == 2
    assert found.json()["explain"]["as_of"] <= timezone.now().isoformat()
