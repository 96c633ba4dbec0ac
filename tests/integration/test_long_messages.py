"""Long messages: a vector for the whole text and one for each passage, stored together, the best of them counting."""

import pytest

from memories import ingest, jobs, reembedding, tasks
from memories.embeddings import EmbeddingError, Fault, Identity, embed
from memories.models import EmbeddingJob, EmbeddingUsage, MessageEmbedding
from memories.passages import passages
from tests.factories import remember

FILLER = "The river rises in the hills and runs down to the sea. "
LONG = FILLER * 20 + "My sister Mia moved to Lisbon in spring and works as a carpenter there. " + FILLER * 20


def parts(tenant) -> list[int]:
    return sorted(MessageEmbedding.objects.filter(tenant=tenant).values_list("part", flat=True))


def answer(api, query: str, **params) -> list[dict]:
    found = api.get("/v1/memory/search", query=query, mode="vector", explain="true", **params)
    return found.json()["results"]


def test_it_works(acme, bot):
    remember(acme, LONG, name="Ann")
    tasks.drain()
    wanted = [f"Ann: {text}" for text in (LONG, *passages(LONG))]
    rows = MessageEmbedding.objects.filter(tenant=acme).order_by("part")
    assert [row.part for row in rows] == list(range(len(wanted))) == [0, 1, 2, 3, 4, 5]
    for row, vector in zip(rows, embed(wanted), strict=True):
        assert row.embedding == pytest.approx(vector, abs=1e-3)
    assert not EmbeddingJob.objects.exists()


def test_a_short_message_has_one_vector(acme):
    remember(acme, "word " * 180)
    tasks.drain()
    assert parts(acme) == [0]


def test_the_nearest_part_counts(acme, bot):
    [long] = remember(acme, LONG)
    remember(acme, "short")
    tasks.drain()
    sought = "My sister Mia moved to Lisbon in spring and works as a carpenter there."
    first = answer(bot, sought)[0]
    assert first["id"] == str(long.id)
    [vector] = embed([sought])
    cosines = [
        sum(a * b for a, b in zip(vector, other, strict=True)) for other in embed([LONG, *passages(LONG)])
    ]
    assert first["explain"]["cosine"] == pytest.approx(max(cosines), abs=1e-3)
    assert max(cosines) > cosines[0] + 0.03


def test_a_message_is_found_once(acme, bot):
    remember(acme, *(f"{FILLER * 100} number {n}" for n in range(12)), "a short one")
    tasks.drain()
    assert len({hit["id"] for hit in answer(bot, FILLER, top_k=100)}) == 13
    assert len(answer(bot, FILLER, top_k=100)) == 13


def test_an_answer_is_full_however_many_parts_the_best_have(acme, bot):
    remember(acme, *(f"{FILLER * 310} {n}" for n in range(30)), *(f"message {n}" for n in range(90)))
    tasks.drain()
    assert len(parts(acme)) == 30 * 32 + 90
    assert len({hit["id"] for hit in answer(bot, FILLER, top_k=100)}) == 100


def test_an_edit_replaces_all_parts(acme):
    [message] = remember(acme, LONG)
    tasks.drain()
    ingest.edit(tenant=acme, message_id=message.id, changes={"content": FILLER * 16})
    tasks.drain()
    assert parts(acme) == [0, 1, 2]
    ingest.edit(tenant=acme, message_id=message.id, changes={"content": "short now"})
    tasks.drain()
    assert parts(acme) == [0]
    ingest.delete(tenant=acme, message_id=message.id)
    assert parts(acme) == []


def test_a_refused_passage_buries_its_message_alone_and_stores_nothing_of_it(acme, monkeypatch):
    def refuse(texts, identity):
        if any("Lisbon" in text and len(text) < len(LONG) for text in texts):
            raise EmbeddingError("as ordered", fault=Fault.TEXT)
        return embed(texts, identity)

    messages = remember(acme, "one", LONG, FILLER * 30, "two")
    monkeypatch.setattr(jobs, "embed", refuse)
    tasks.drain()
    job = EmbeddingJob.objects.get()
    assert (job.message_id, job.last_error) == (messages[1].id, "as ordered")
    assert job.buried_at is not None
    assert parts(acme) == [0, 0, 0, 1, 2, 3]


def test_a_server_that_takes_fewer_texts_than_a_message_has_gets_fewer(acme, monkeypatch):
    def small(texts, identity):
        if len(texts) > 3:
            raise EmbeddingError("too many inputs", fault=Fault.TEXT)
        return embed(texts, identity)

    remember(acme, LONG, "one")
    monkeypatch.setattr(jobs, "embed", small)
    tasks.drain()
    assert not EmbeddingJob.objects.exists()
    assert parts(acme) == [0, 0, 1, 2, 3, 4, 5]


def test_no_call_has_more_texts_than_the_batch_size_unless_one_message_has(acme, monkeypatch, settings):
    settings.ENV = settings.ENV.model_copy(update={"embedding_batch_size": 8})
    calls = []
    monkeypatch.setattr(jobs, "embed", lambda texts, identity: calls.append(texts) or embed(texts, identity))
    remember(acme, *[LONG] * 3, *["one"] * 4, FILLER * 200)
    tasks.drain()
    assert [len(texts) for texts in calls] == [6, 6, 8, 2, 21]


def test_an_outage_puts_every_message_of_the_claim_off(acme, monkeypatch, settings):
    settings.ENV = settings.ENV.model_copy(update={"embedding_batch_size": 8})
    calls = []

    def down(texts, identity):
        calls.append(texts)
        raise EmbeddingError("down", fault=Fault.PROVIDER, retry_after_seconds=60)

    remember(acme, LONG, LONG, LONG)
    monkeypatch.setattr(jobs, "embed", down)
    tasks.drain()
    assert len(calls) == 1
    assert [job.last_error for job in EmbeddingJob.objects.all()] == ["down"] * 3
    assert not EmbeddingJob.objects.due().exists()


def test_all_texts_are_on_the_account(acme, monkeypatch):
    monkeypatch.setattr(jobs, "is_remote", lambda identity: True)
    remember(acme, LONG)
    tasks.drain()
    sizes = [len(text) for text in (LONG, *passages(LONG))]
    assert EmbeddingUsage.objects.get(tenant=acme).tokens == sum(-(-size // 3) for size in sizes)


def test_another_model_gets_all_parts_and_is_counted_by_message(acme, bot):
    remember(acme, LONG, "one")
    tasks.drain()
    space = reembedding.space_for(Identity("mock", "hashed-words", 64))
    assert reembedding.estimate(space).tokens == 2 * (-(-(len(LONG) + 1) // 3)) + 2
    list(reembedding.fill(space))
    tasks.drain()
    assert reembedding.progress(space) == reembedding.Progress(
        messages=2, embedded=2, missing=0, waiting=0, buried=0
    )
    old = MessageEmbedding.objects.exclude(space=space).first().space
    reembedding.switch(space)
    assert {hit["content"] for hit in answer(bot, "Mia moved to Lisbon")} == {LONG, "one"}
    assert reembedding.drop(old) == 7
    assert parts(acme) == [0, 0, 1, 2, 3, 4, 5]
