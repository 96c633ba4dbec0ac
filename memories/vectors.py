"""The messages whose vectors are nearest to a query's.

A message is as near as the nearest of its parts. Distances are negative inner products of unit vectors: -cosine.

A tenant without a codebook has all its vectors in bucket 0: every search is exact. With one, the buckets whose
centroids are nearest are searched, and always bucket 0, where vectors wait that have no other yet. One statement sees
one snapshot, in which a vector's bucket has its centroid (`memories.codebooks`).
"""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from pgvector import HalfVector

from memories import statements
from memories.embeddings import Vector
from memories.passages import MAX_PASSAGES
from memories.prepared import Binary
from memories.tables import LIVE, Tables

# Rows read for each message wanted, at first: most messages have one vector, and the longest MAX_PASSAGES + 1.
ROWS_EACH = 3
# From so many messages on, a bound from so many of the vectors keeps most of the others from being sorted (`_bound`).
BOUNDED, BOUND_OF = 5_000, 512
# With a filter that so few messages pass, exactly their vectors are compared, each by a look-up of its own.
FEW = 10_000

Sql = tuple[str, list[Any]]
Near = tuple[str, float]  # a message's id and its distance

EXACT, BUCKETS = "exact", "buckets"


@dataclass(frozen=True, kw_only=True)
class Method:
    """How a tenant's vectors are searched: exactly, or so many (`probes`) of its buckets, bucket 0 not counted."""

    method: str
    probes: int
    buckets: int


@dataclass(frozen=True, kw_only=True)
class Query:
    """What to look for. `filters`: a condition on the unaliased table memories_message."""

    tenant_id: int
    space_id: int
    vector: Binary  # made by `sent`
    limit: int
    filters: Sql = ("", [])
    bucketed: bool = (
        True  # False: there is surely no codebook, which takes a fifth off the time of a small tenant
    )
    bounded: bool = (
        True  # False: the tenant has fewer messages than BOUNDED, and a bound takes more than it saves
    )
    tables: Tables = LIVE


def method(tenant_id: int, space_id: int) -> Method:
    """What `nearest` does for the tenant at the moment; while a codebook takes another's place, by the newer one."""
    [(buckets,)] = statements.rows_of(
        tenant_id,
        """
        SELECT count(*) FROM memories_centroid
        WHERE tenant_id = %(tenant)s::bigint AND space_id = %(space)s::smallint AND bucket >> 16 = (
            SELECT max(bucket) >> 16 FROM memories_centroid
            WHERE tenant_id = %(tenant)s::bigint AND space_id = %(space)s::smallint)
        """,
        {"tenant": tenant_id, "space": space_id},
    )
    return Method(
        method=BUCKETS if buckets else EXACT, probes=min(settings.ENV.probes, buckets), buckets=buckets
    )


def nearest(query: Query) -> list[Near]:
    """The messages that pass, or all there are, nearest first."""
    return _bucketed(query) if query.bucketed or query.filters[0] else exactly_nearest(query)


def exactly_nearest(query: Query) -> list[Near]:
    """The same by comparing all vectors of the tenant, without filters: what `nearest` is measured against."""
    given = {"vector": query.vector, "tenant": query.tenant_id, "space": query.space_id}
    for rows_each in (ROWS_EACH, 1 + MAX_PASSAGES):
        rows = query.limit * rows_each
        found = statements.rows_of(query.tenant_id, _exact(query), given | {"rows": rows})
        if len(found) >= query.limit or sum(parts for *_, parts in found) < rows:
            break
    return [(message, distance) for message, distance, _ in found[: query.limit]]


def _exact(query: Query) -> str:
    distance, rows = "embedding <#> %(vector)s::halfvec", "%(rows)s::int"
    own = f"{query.tables.embeddings} WHERE tenant_id = %(tenant)s::bigint AND space_id = %(space)s::smallint"
    bound = ""
    if query.bounded:
        # Hidden from the planner: else it plans each search anew where the tenant has the table to itself, 0.06 ms.
        rows = f"(SELECT {rows})"
        bound = f"AND {distance} <= {_bound(distance, own, rows)}"
    return f"""
        SELECT message_id::text, min(distance), count(*) FROM (
            SELECT message_id, {distance} AS distance FROM {own} {bound}
            ORDER BY distance, message_id LIMIT {rows}) AS part
        GROUP BY message_id ORDER BY min(distance), message_id
        """


def _bound(distance: str, own: str, rows: str) -> str:
    """A scalar: how far the last of so many rows is among some of the vectors. Among all it is no farther.

    So it loses none. PostgreSQL makes a tuple of each row that it sorts, before it sees that the row is not among the
    first, which takes half as long as the inner product. NaN is above all numbers: with too few vectors, all pass.
    """
    return f"""coalesce((
        SELECT distance FROM (SELECT {distance} AS distance FROM {own} LIMIT {BOUND_OF}) AS known
        ORDER BY distance OFFSET {rows} - 1 LIMIT 1), 'NaN')"""


def cosine(message_id: str, tenant_id: int, space_id: int, vector: Binary, tables: Tables = LIVE) -> Sql:
    """A scalar: the cosine of the query and the nearest part of the message with that id; NULL without vectors."""
    return (
        f"""(SELECT -min(embedding <#> %s::halfvec) FROM {tables.embeddings}
             WHERE tenant_id = %s::bigint AND message_id = {message_id} AND space_id = %s::smallint)""",
        [vector, tenant_id, space_id],
    )


def sent(vector: Vector) -> Binary:
    """As the others take it: a text of 256 numbers takes Python and PostgreSQL 40 us and more to write and read."""
    return Binary(HalfVector(vector).to_binary())


def bucketed_sql(query: Query) -> Sql:
    """One statement: what the buckets give, and from all vectors where that is too little."""
    near = _near_filtered(query) if query.filters[0] else _near(query)
    everywhere, params = _everywhere(query)
    parts: list[Sql] = [
        ("query AS MATERIALIZED (SELECT %s::halfvec AS vector)", [query.vector]),
        _probed(query),
        *near,
        (
            f"""nearest AS MATERIALIZED (
                SELECT id, distance FROM near WHERE (SELECT complete FROM state) UNION ALL ({everywhere}))""",
            params,
        ),
    ]
    return (
        f"WITH {', '.join(sql for sql, _ in parts)} SELECT id::text, distance FROM nearest ORDER BY distance, id",
        [value for _, values in parts for value in values],
    )


def _bucketed(query: Query) -> list[Near]:
    sql, params = bucketed_sql(query)
    return [(message, distance) for message, distance in statements.rows_of(query.tenant_id, sql, params)]


# The vector stands in the statement once: of a search in a small tenant, reading it takes the longest.
_DISTANCE = "embedding <#> (SELECT vector FROM query)"
_OWN = "tenant_id = %s::bigint AND space_id = %s::smallint"


def _everywhere(query: Query) -> Sql:
    where, params = query.filters
    allowed = (
        f"AND message_id IN (SELECT id FROM {query.tables.messages} WHERE tenant_id = %s::bigint AND {where})"
    )
    return (
        f"""SELECT message_id AS id, min(distance) AS distance FROM (
                SELECT message_id, {_DISTANCE} AS distance FROM {query.tables.embeddings}
                WHERE {_OWN} AND NOT (SELECT complete FROM state) {allowed if where else ""}
                ORDER BY distance, message_id LIMIT %s::int) AS parts
            GROUP BY message_id ORDER BY distance, id LIMIT %s::int""",
        [
            query.tenant_id,
            query.space_id,
            *([query.tenant_id, *params] if where else []),
            query.limit * (1 + MAX_PASSAGES),
            query.limit,
        ],
    )


def _probed(query: Query) -> Sql:
    """While a codebook takes another's place, each generation is probed as if it were alone. There are two at most."""
    own = [query.tenant_id, query.space_id]
    return (
        f"""probed AS MATERIALIZED (
            SELECT ARRAY(SELECT near.bucket FROM (
                       SELECT min(bucket) >> 16 AS number FROM memories_centroid WHERE {_OWN} UNION
                       SELECT max(bucket) >> 16 FROM memories_centroid WHERE {_OWN}) AS generation
                   CROSS JOIN LATERAL (
                       SELECT bucket FROM memories_centroid
                       WHERE {_OWN} AND bucket >= number << 16 AND bucket < (number + 1) << 16
                       ORDER BY centroid <#> (SELECT vector FROM query) LIMIT %s::int) AS near) || 0 AS buckets)""",
        [*own, *own, *own, settings.ENV.probes],
    )


def _near(query: Query) -> list[Sql]:
    rows = query.limit * ROWS_EACH
    return [
        (
            f"""parts AS MATERIALIZED (
                SELECT message_id, {_DISTANCE} AS distance FROM {query.tables.embeddings}
                WHERE {_OWN} AND bucket = ANY((SELECT buckets FROM probed)::int[])
                ORDER BY distance, message_id LIMIT %s::int)""",
            [query.tenant_id, query.space_id, rows],
        ),
        (
            """near AS MATERIALIZED (
                SELECT message_id AS id, min(distance) AS distance FROM parts
                GROUP BY message_id ORDER BY distance, id LIMIT %s::int)""",
            [query.limit],
        ),
        (
            """state AS MATERIALIZED (
                SELECT (SELECT count(*) FROM near) = %s::int OR (
                    cardinality((SELECT buckets FROM probed)) = 1 AND (SELECT count(*) FROM parts) < %s::int
                ) AS complete)""",
            [query.limit, rows],
        ),
    ]


def _near_filtered(query: Query) -> list[Sql]:
    """Few messages pass: their vectors by key. Many: the nearest vectors in order, until so many have passed."""
    where, params = query.filters
    tenant, own = query.tenant_id, [query.tenant_id, query.space_id]
    few, few_params = query.tables.first(tenant, query.filters, order="created_at", limit=FEW + 1)
    return [
        (
            # In the order of all its indexes: without one, the limit tempts the planner to read the whole table.
            f"few AS MATERIALIZED ({few})",
            few_params,
        ),
        (f"counted AS MATERIALIZED (SELECT count(*) <= {FEW} AS are_few FROM few)", []),
        (
            # OFFSET 0: or else the vectors are sorted, not their distances.
            f"""near AS MATERIALIZED (
                (SELECT message_id AS id, min(distance) AS distance FROM (
                    SELECT message_id, {_DISTANCE} AS distance FROM {query.tables.embeddings}
                    WHERE {_OWN} AND message_id = ANY(ARRAY(SELECT id FROM few))
                          AND (SELECT are_few FROM counted) OFFSET 0) AS parts
                 GROUP BY message_id ORDER BY distance, id LIMIT %s::int)
                UNION ALL
                (SELECT sorted.id, sorted.distance FROM (
                    SELECT message_id AS id, min(distance) AS distance FROM (
                        SELECT message_id, {_DISTANCE} AS distance FROM {query.tables.embeddings}
                        WHERE {_OWN} AND bucket = ANY((SELECT buckets FROM probed)::int[])
                              AND NOT (SELECT are_few FROM counted) OFFSET 0) AS parts
                    GROUP BY message_id ORDER BY distance, id) AS sorted
                 CROSS JOIN LATERAL (
                    SELECT FROM {query.tables.messages}
                    WHERE tenant_id = %s::bigint AND memories_message.id = sorted.id AND {where} LIMIT 1) AS passes
                 ORDER BY sorted.distance, sorted.id LIMIT %s::int))""",
            [*own, query.limit, *own, tenant, *params, query.limit],
        ),
        (
            """state AS MATERIALIZED (
                SELECT (SELECT are_few FROM counted) OR cardinality((SELECT buckets FROM probed)) = 1
                       OR (SELECT count(*) FROM near) = %s::int AS complete)""",
            [query.limit],
        ),
    ]
