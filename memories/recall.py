"""How many of the nearest messages the buckets find: measured against comparing all vectors, on the tenant's own.

Queries are vectors of the tenant's own messages; a message does not count as an answer to itself.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean, median
from uuid import UUID

from django.db import connection
from django.db.models import Avg, F, Min
from pgvector import HalfVector

from memories import vectors
from memories.embeddings import Vector
from memories.models import EmbeddingSpace, VectorRecall

K, QUERIES = 10, 100
MAX_K = 99
# What half precision and the order of addition can make of the same distance.
_TOLERANCE = 1e-5


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Recall from 0 to 1, and the median milliseconds of a search by buckets and of an exact one."""

    recall: float
    k: int
    queries: int
    milliseconds: float
    exact_milliseconds: float


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The last recall of all tenants that have been measured in the active space."""

    minimum: float
    mean: float


def due_tenants(space: EmbeddingSpace) -> list[int]:
    """Tenants with a codebook that were not measured for a day, the longest unmeasured first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT tenant.id FROM tenants_tenant tenant
            LEFT JOIN memories_vectorrecall last ON last.tenant_id = tenant.id AND last.space_id = %(space)s
            WHERE (last.measured_at IS NULL OR last.measured_at < statement_timestamp() - interval '1 day')
              AND EXISTS (SELECT FROM memories_centroid WHERE tenant_id = tenant.id AND space_id = %(space)s)
            ORDER BY last.measured_at NULLS FIRST, tenant.id
            """,
            {"space": space.id},
        )
        return [row[0] for row in cursor.fetchall()]


def check(tenant_id: int, *, space: EmbeddingSpace, k: int = K, queries: int = QUERIES) -> Measured | None:
    """Measure and keep the result for the metric; None for a tenant with fewer than two messages with vectors.

    A search by buckets and an exact one for each query: 100 of them take half a minute for a million vectors.
    """
    measured = _measure(tenant_id, space, k=k, queries=queries)
    if measured is not None:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO memories_vectorrecall (tenant_id, space_id, recall, k, queries)
                VALUES (%s, %s, %s, %s, %s)
                ON CONFLICT (tenant_id, space_id) DO UPDATE SET recall = excluded.recall, k = excluded.k,
                    queries = excluded.queries, measured_at = statement_timestamp()
                """,
                [tenant_id, space.id, measured.recall, measured.k, measured.queries],
            )
    return measured


def overview() -> Overview | None:
    """None while nothing has been measured."""
    rows = VectorRecall.objects.filter(space__active=True)
    found = rows.aggregate(minimum=Min(F("recall")), mean=Avg(F("recall")))
    return None if found["mean"] is None else Overview(**found)


def _measure(tenant_id: int, space: EmbeddingSpace, *, k: int, queries: int) -> Measured | None:
    shares, times, exact_times = [], [], []
    for message_id, vector in _queries(tenant_id, space.id, queries):
        query = vectors.Query(
            tenant_id=tenant_id, space_id=space.id, vector=vectors.sent(vector), limit=k + 1
        )
        exact, took = _answer(vectors.exactly_nearest, query, besides=message_id)
        exact_times.append(took)
        found, took = _answer(vectors.nearest, query, besides=message_id)
        times.append(took)
        if exact:
            shares.append(_recall(exact[:k], found[:k]))
    if not shares:
        return None
    return Measured(
        recall=fmean(shares),
        k=k,
        queries=len(shares),
        milliseconds=median(times),
        exact_milliseconds=median(exact_times),
    )


def _recall(exact: list[float], found: list[float]) -> float:
    """By distance, not by id: of messages equally far, either is right."""
    return sum(distance <= exact[-1] + _TOLERANCE for distance in found) / len(exact)


def _queries(tenant_id: int, space_id: int, count: int) -> list[tuple[UUID, Vector]]:
    """Vectors of whole messages, drawn by a hash of their ids: the same ones each time."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT drawn.message_id, e.embedding::text FROM (
                SELECT message_id FROM memories_messageembedding
                WHERE tenant_id = %s AND space_id = %s AND part = 0
                ORDER BY uuid_hash_extended(message_id, 1) LIMIT %s) AS drawn
            JOIN memories_messageembedding e
              ON e.tenant_id = %s AND e.message_id = drawn.message_id AND e.space_id = %s AND e.part = 0
            """,
            [tenant_id, space_id, count, tenant_id, space_id],
        )
        return [(message_id, HalfVector.from_text(text).to_list()) for message_id, text in cursor.fetchall()]


def _answer(
    ask: Callable[[vectors.Query], list[vectors.Near]], query: vectors.Query, *, besides: UUID
) -> tuple[list[float], float]:
    """Distances, nearest first, without that message's; and the milliseconds it took."""
    started = time.perf_counter()
    rows = ask(query)
    milliseconds = (time.perf_counter() - started) * 1000
    return [distance for message_id, distance in rows if message_id != str(besides)], milliseconds
