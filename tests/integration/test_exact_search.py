"""Exact search keeps most vectors from being sorted by a bound from some of them: it finds what it found without."""

import re

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from memories import tasks, vectors
from memories.embeddings import embed
from memories.models import EmbeddingSpace
from tests.factories import remember
from tests.large_tenants import QUERIES, TOPICS, chat, ids

# More than the rows that an answer of twenty reads (60), and as many as they are; less, which bounds nothing; all.
SOME = [61, 60, 59, 512]


def bounded(monkeypatch, *, of: int) -> None:
    monkeypatch.setattr(vectors, "BOUNDED", 0)
    monkeypatch.setattr(vectors, "BOUND_OF", of)


def asked(tenant, text: str, *, limit: int = 20, **fields) -> vectors.Query:
    [vector] = embed([text])
    space = EmbeddingSpace.objects.get().id
    return vectors.Query(
        tenant_id=tenant.id, space_id=space, vector=vectors.sent(vector), limit=limit, **fields
    )


def asked_of(captured) -> list[dict]:
    """Statements of search, without BEGIN and SAVEPOINT."""
    return [query for query in captured.captured_queries if "params" in query]


@pytest.mark.parametrize("of", SOME)
@pytest.mark.parametrize("archived", ["false", "true"])
def test_it_works(acme, globex, bot, monkeypatch, of, archived):
    chat(acme, 150)
    chat(globex, 150)
    exact = ids(bot, include_archived=archived)
    assert {len(found) for found in exact} == {20}
    bounded(monkeypatch, of=of)
    assert ids(bot, include_archived=archived) == exact


@pytest.mark.parametrize("of", SOME)
def test_equally_near_messages_keep_their_order(acme, monkeypatch, of):
    for _ in range(4):  # the same texts again
        chat(acme, 40)
    monkeypatch.setattr(vectors, "BOUND_OF", of)
    for text in QUERIES:
        plain = vectors.exactly_nearest(asked(acme, text, bounded=False))
        assert len({distance for _, distance in plain}) < len(plain) == 20
        assert vectors.exactly_nearest(asked(acme, text)) == plain


def test_where_long_messages_fill_the_rows_more_are_read(acme, monkeypatch):
    chat(acme, 30)
    remember(acme, *(" ".join(f"{TOPICS[n % 3]} {n} {m}" for n in range(700)) for m in range(6)))
    tasks.drain()
    monkeypatch.setattr(vectors, "BOUND_OF", 61)
    plain = vectors.exactly_nearest(asked(acme, QUERIES[0], bounded=False))
    with CaptureQueriesContext(connection) as captured:
        assert vectors.exactly_nearest(asked(acme, QUERIES[0])) == plain
    assert len(plain) == 20
    assert len(asked_of(captured)) == 2


def test_what_is_beyond_the_bound_is_not_sorted(acme, monkeypatch):
    chat(acme, 300)
    monkeypatch.setattr(vectors, "BOUND_OF", 100)
    with CaptureQueriesContext(connection) as captured:
        vectors.exactly_nearest(asked(acme, "jazz and rain number 7", limit=5))
    with psycopg.Cursor(connection.connection) as cursor:
        [statement] = asked_of(captured)
        cursor.execute(f"EXPLAIN ANALYZE {statement['sql']}".encode(), statement["params"])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert int(re.search(r"Rows Removed by Filter: (\d+)", plan)[1]) > 50, plan
