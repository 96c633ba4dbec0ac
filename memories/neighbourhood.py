"""The messages that may be in the answer, and the turns around them, with all that ranking wants to know of them.

One statement for all seeds. It joins nothing but single rows by their key and the next two turns by an index: a fresh
table has no statistics, and with wrong row counts a planner free to choose compares every row of one part with every
row of another (measured: 20 ms became 400).
"""

from collections.abc import Sequence
from typing import Any

from memories import statements, vectors
from memories.prepared import Binary
from memories.relevance import NO_CANDIDATES, SESSION_GAP_HOURS, Candidates, Followers
from memories.tables import LIVE, Tables

Sql = tuple[str, list[Any]]

_GAP = f"interval '{SESSION_GAP_HOURS} hours'"


def read(
    tenant_id: int,
    seeds: Sequence[str],
    *,
    expanded: int,
    speaker: str | None,
    bm25: Sql,
    space_id: int,
    vector: Binary | None,
    filters: Sql,
    tables: Tables = LIVE,
) -> tuple[Candidates, Followers]:
    """The seeds, and up to two turns before and after each of the first `expanded`, within a session; who follows whom.

    `bm25`: the score of the query's words (`lexical.score`); `speaker`: whom it names. Turns that do not pass the
    filters are left out.
    """
    if not seeds:
        return NO_CANDIDATES, {}
    before, before_params = _turns(tenant_id, filters, tables, sign="<", order="DESC", step="-1")
    after, after_params = _turns(tenant_id, filters, tables, sign=">", order="ASC", step="1")
    score, score_params = bm25
    cosine, cosine_params = (
        ("NULL::float8", [])
        if vector is None
        else vectors.cosine("m.id", tenant_id, space_id, vector, tables)
    )
    # A message may stand in several neighbourhoods: it is read once, with all its places: 5 a seed, and one left free.
    sql = f"""
        WITH turn AS MATERIALIZED (
            SELECT around.id, array_agg(6 * seed.place::int + around.step::int) AS places
            FROM unnest(%s::uuid[]) WITH ORDINALITY AS seed(id, place)
            CROSS JOIN LATERAL (
                SELECT id, conversation_id, created_at FROM {tables.messages}
                WHERE tenant_id = %s::bigint AND id = seed.id LIMIT 1) AS s
            CROSS JOIN LATERAL (
                SELECT s.id, 0 AS step UNION ALL (
                    SELECT id, step FROM ({before} UNION ALL {after}) AS beside WHERE seed.place <= %s::int)) AS around
            GROUP BY around.id)
        SELECT m.id::text, m.conversation_id, date_part('epoch', m.created_at), m.importance,
               m.word_count, coalesce(lower(split_part(m.name, ' ', 1)) = %s::text, false), {score}, {cosine},
               hashtextextended(m.role || ' ' || m.name || ' ' || m.content, 0), turn.places
        FROM turn CROSS JOIN LATERAL (
            SELECT id, conversation_id, created_at, importance, word_count, role, name, content, document
            FROM {tables.whole_messages} WHERE tenant_id = %s::bigint AND id = turn.id LIMIT 1) AS m
        """
    params = [statements.simple_array(seeds), tenant_id, *before_params, *after_params, expanded]
    params += [speaker, *score_params, *cosine_params, tenant_id]
    return _read(statements.rows_of(tenant_id, sql, params))


def beside(
    tenant_id: int, ids: Sequence[str], *, filters: Sql, tables: Tables = LIVE
) -> dict[str, list[str]]:
    """Message id -> the ids of the turn before it and the one after it, within a session, as far as they pass."""
    before, before_params = _turns(tenant_id, filters, tables, sign="<", order="DESC", step="-1", limit=1)
    after, after_params = _turns(tenant_id, filters, tables, sign=">", order="ASC", step="1", limit=1)
    sql = f"""
        SELECT s.id::text, around.id::text
        FROM unnest(%s::uuid[]) AS seed(id)
        CROSS JOIN LATERAL (
            SELECT id, conversation_id, created_at FROM {tables.messages}
            WHERE tenant_id = %s::bigint AND id = seed.id LIMIT 1) AS s
        CROSS JOIN LATERAL ({before} UNION ALL {after}) AS around
        ORDER BY around.step
        """
    found: dict[str, list[str]] = {each: [] for each in ids}
    params = [statements.simple_array(ids), tenant_id, *before_params, *after_params]
    if ids:
        for seed, neighbour in statements.rows_of(tenant_id, sql, params):
            found[seed].append(neighbour)
    return found


def _turns(
    tenant_id: int, filters: Sql, tables: Tables, *, sign: str, order: str, step: str, limit: int = 2
) -> Sql:
    where, params = filters
    edge = f"created_at > s.created_at - {_GAP}" if sign == "<" else f"created_at < s.created_at + {_GAP}"
    return (
        f"""(SELECT id, row_number() OVER (ORDER BY created_at {order}, id {order}) * {step} AS step
             FROM {tables.messages}
             WHERE tenant_id = %s::bigint AND conversation_id = s.conversation_id
               AND (created_at, id) {sign} (s.created_at, s.id) AND {edge} {"AND " + where if where else ""}
             ORDER BY created_at {order}, id {order} LIMIT {int(limit)})""",
        [tenant_id, *params],
    )


def _read(rows: Sequence[tuple[Any, ...]]) -> tuple[Candidates, Followers]:
    if not rows:
        return NO_CANDIDATES, {}
    *known, places = zip(*rows, strict=True)
    at = {place: n for n, own in enumerate(places) for place in own}
    return Candidates(*known), {n: at[place + 1] for place, n in at.items() if place + 1 in at}
