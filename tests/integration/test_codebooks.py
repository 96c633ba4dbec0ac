"""Large tenants are searched by buckets of their own: full answers, the same ones, whatever is asked for."""

import re

import pytest
from django.db import connection, transaction

from memories import ingest, statements, tasks, vectors
from memories.models import EmbeddingSpace, MessageEmbedding
from tenants import isolation
from tests.factories import remember
from tests.large_tenants import QUERIES, TOPICS, buckets, chat, ids, method, probing


@pytest.fixture(autouse=True)
def small(settings):
    """Large is what has more than 50 vectors; all buckets are looked into, unless a test says less."""
    settings.ENV = settings.ENV.model_copy(update={"exact_search_vectors": 50, "probes": 4096})


def test_it_works(acme, bot):
    chat(acme)
    exact = ids(bot)
    assert method(bot) == {"method": "exact", "probes": 0, "buckets": 0}
    tasks.train_codebooks()
    assert method(bot) == {"method": "buckets", "probes": 44, "buckets": 44}
    assert 0 not in buckets(acme)
    assert ids(bot) == exact


def test_a_small_tenant_stays_exact(acme, bot):
    chat(acme, 50)
    tasks.train_codebooks()
    assert method(bot)["method"] == "exact"
    assert buckets(acme) == {0}


def test_words_alone_search_no_vectors(acme, bot):
    chat(acme, 5)
    answer = bot.get("/v1/memory/search", query="tea", mode="text", explain="true").json()
    assert answer["explain"]["vector_search"] is None


def test_a_new_message_goes_into_its_bucket_and_is_found(acme, bot, settings):
    chat(acme)
    tasks.train_codebooks()
    probing(1)
    [message] = remember(acme, "zebras in the zoo")
    tasks.drain()
    assert 0 not in buckets(acme)
    hits = bot.get("/v1/memory/search", query="zebras in the zoo", mode="vector").json()["results"]
    assert hits[0]["id"] == str(message.id)


def test_the_parts_of_a_long_message_go_into_their_buckets(acme, bot):
    chat(acme)
    tasks.train_codebooks()
    [message] = remember(acme, " ".join(f"{TOPICS[n // 100]} {n}" for n in range(700)))
    tasks.drain()
    rows = MessageEmbedding.objects.filter(tenant=acme, message_id=message.id)
    assert len(rows) == 13
    assert len({row.bucket for row in rows}) > 1
    ingest.edit(tenant=acme, message_id=message.id, changes={"content": "short now"})
    tasks.drain()
    assert rows.all().count() == 1
    ingest.delete(tenant=acme, message_id=message.id)
    assert not rows.all().exists()


@pytest.mark.parametrize("probes", [1, 3, 22])
def test_answers_are_full_however_few_buckets_are_looked_into(acme, bot, settings, probes):
    chat(acme)
    tasks.train_codebooks()
    probing(probes)
    for query in QUERIES:
        answer = bot.get("/v1/memory/search", query=query, mode="vector", top_k=100)
        assert len({hit["id"] for hit in answer.json()["results"]}) == 100


def test_answers_are_full_after_nearly_all_was_deleted(acme, bot, settings):
    messages = chat(acme)
    tasks.train_codebooks()
    probing(1)
    for message in messages[:-12]:
        ingest.delete(tenant=acme, message_id=message.id)
    answer = bot.get("/v1/memory/search", query="tea", mode="vector", top_k=20).json()["results"]
    assert {hit["id"] for hit in answer} == {str(message.id) for message in messages[-12:]}


FILTERS = [{"conversation_id": "quiet"}, {"role": "user"}, {"metadata.floor": "3"}, {"user_id": "nobody"}]


@pytest.mark.parametrize("few", [0, 10, 10_000])
@pytest.mark.parametrize("params", FILTERS, ids=lambda params: next(iter(params)))
def test_filters_are_hard_and_answers_full_by_either_way(acme, bot, settings, monkeypatch, few, params):
    chat(acme, 30, conversation="quiet", metadata={"floor": 3})
    chat(acme, 90, conversation="loud", role="assistant")
    exact = ids(bot, **params)
    monkeypatch.setattr("memories.vectors.FEW", few)
    assert ids(bot, **params) == exact
    tasks.train_codebooks()
    assert ids(bot, **params) == exact
    probing(1)
    expected = 0 if "user_id" in params else 20
    assert {len(hits) for hits in ids(bot, **params)} == {expected}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("trained", [False, True])
def test_vectors_are_read_from_the_index_alone_bucket_by_bucket(acme, globex, trained):
    for _ in range(4):
        chat(acme, 75)
        chat(globex, 300)
    if trained:
        tasks.train_codebooks()
    sql, params = vectors.bucketed_sql(
        vectors.Query(
            tenant_id=acme.id,
            space_id=EmbeddingSpace.objects.get().id,
            vector=vectors.sent([1.0] * 256),
            limit=100,
        )
    )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        # In tables as small as these any way is quick; what counts is that this one can be gone.
        with transaction.atomic(), isolation.reaching(isolation.LOGIN):
            cursor.execute("SET LOCAL enable_bitmapscan = off; SET LOCAL enable_seqscan = off")
            cursor.execute(
                "ALTER TABLE memories_messageembedding DROP CONSTRAINT memories_messageembedding_pkey"
            )
            with isolation.reaching(isolation.of_tenant(acme.id)):
                plan = "\n".join(line for (line,) in statements.rows(f"EXPLAIN {sql}", params))
            transaction.set_rollback(True)
    probed = plan.partition("CTE parts")[2].partition("CTE near")[0]
    assert "Index Only Scan using embedding_search" in probed
    assert re.search(r"Index Cond: .*tenant_id = .*space_id = .*bucket = ANY", probed)
    assert "Filter" not in probed.replace("One-Time Filter", "")  # that asks once whose rows may be read
