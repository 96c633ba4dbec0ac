"""Candidates for a query, from the database in two round trips: first the words, then the rows.

Lexical: BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009) over the
tenant's matching messages. The document frequency of a word is counted among the matches: a document that has
the word is a match, so up to MATCH_LIMIT matches the count is exact.
Context: a match lends half its score to the turns next to it and a quarter to the second next, within a session:
the answer to a question often stands beside the words of the question.
Vector: exact, over the covering primary key of the tenant's vectors.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Avg, Count, Q

from memories import caching
from memories.embeddings import Vector
from memories.filters import where_sql
from memories.models import Message
from memories.ranking import Candidate

LANGUAGE = "english"
K1, B = 1.2, 0.75
# More matches than this are cut, in no particular order: their words are common, and tell little.
MATCH_LIMIT = 2000
BEST_OF_EACH = 100
LENDERS = 200
CONTEXT_WORDS = 120
SESSION_GAP_HOURS = 6
# ts_rank of one word with all weights 1 is sum(1/i^2, i=1..tf) * 6/pi^2: halfway marks give the frequency back,
# exactly up to 8; above that BM25 has saturated.
_TF_MARKS = "ARRAY[0.684, 0.794, 0.847, 0.878, 0.898, 0.912, 0.923]::float8[]"

Sql = tuple[str, list[Any]]


@dataclass(frozen=True, kw_only=True)
class Words:
    """What of a query the database can look for: index words, and the speakers it names."""

    lexemes: tuple[str, ...]
    speakers: frozenset[str]


def read_words(tenant_id: int, *, text: str, names: Sequence[str]) -> Words:
    """The lexemes of the text and those of `names` by which anybody of the tenant has spoken."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH spoken AS (
                SELECT n.name FROM unnest(%s::text[]) AS n(name) WHERE EXISTS (
                    SELECT FROM memories_message m
                    WHERE m.tenant_id = %s AND lower(split_part(m.name, ' ', 1)) = n.name AND m.name <> ''))
            SELECT tsvector_to_array(to_tsvector(%s::regconfig, %s)),
                   tsvector_to_array(to_tsvector(%s::regconfig,
                                                 coalesce((SELECT string_agg(name, ' ') FROM spoken), ''))),
                   ARRAY(SELECT name FROM spoken)
            """,
            [list(names), tenant_id, LANGUAGE, text, LANGUAGE],
        )
        lexemes, of_names, speakers = cursor.fetchone()
    telling = tuple(word for word in lexemes if word not in of_names)
    return Words(lexemes=telling or tuple(lexemes), speakers=frozenset(speakers))


def gather(
    tenant_id: int,
    *,
    space_id: int,
    vector: Vector | None,
    lexemes: Sequence[str],
    speakers: Collection[str],
    condition: Q,
) -> list[Candidate]:
    """The best by words and the best by vector, each with all its signals. No vector, or no lexemes: the other's.

    The statement joins nothing but single rows by their key: a fresh table has no statistics, and with wrong row
    counts the planner compares every row of one part with every row of another (measured: 20 ms became 400).
    """
    if vector is None and not lexemes:
        return []
    filters = where_sql(condition)
    parts = _by_words(tenant_id, lexemes, filters) if lexemes else []
    parts += [_nearest(tenant_id, space_id, vector, filters)] if vector is not None else []
    parts += [_merged(with_words=bool(lexemes), with_vector=vector is not None)]
    speaker = next(iter(speakers)) if len(speakers) == 1 else None
    rows, params = _rows(tenant_id, space_id, vector, speaker)
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH {', '.join(sql for sql, _ in parts)} {rows}",
            [value for _, values in parts for value in values] + params,
        )
        return [_candidate(row) for row in cursor.fetchall()]


def _by_words(tenant_id: int, lexemes: Sequence[str], filters: Sql) -> list[Sql]:
    where, params = filters
    total, mean_words = caching.remembered_tenant_size(tenant_id, lambda: _tenant_size(tenant_id))
    matched = f"""matched AS MATERIALIZED (
        SELECT id, conversation_id, created_at, word_count, document FROM memories_message
        WHERE document @@ %s::tsquery {"AND " + where if where else ""} LIMIT {MATCH_LIMIT})"""
    found = f"""found AS (
        SELECT m.id, m.conversation_id, m.created_at, m.word_count,
               (1 + width_bucket(ts_rank('{{1,1,1,1}}', m.document, w.word)::float8, {_TF_MARKS}))::float8 AS tf,
               (count(*) OVER (PARTITION BY w.place))::float8 AS n
        FROM matched m CROSS JOIN unnest(%s::tsquery[]) WITH ORDINALITY AS w(word, place) WHERE m.document @@ w.word)"""
    own = f"""own AS MATERIALIZED (
        SELECT id, conversation_id, created_at, word_count,
               sum(ln(1 + (greatest(%s::float8, n) - n + 0.5::float8) / (n + 0.5::float8)) * tf * ({K1}::float8 + 1)
                   / (tf + {K1}::float8 * (1 - {B}::float8 + {B}::float8 * word_count / %s::float8))) AS score
        FROM found GROUP BY id, conversation_id, created_at, word_count)"""
    return [
        (matched, [tsquery(tenant_id, lexemes), *params]),
        (found, [[_quoted(lexeme) for lexeme in lexemes]]),
        (own, [float(total), max(mean_words, 1.0)]),
        _lent(tenant_id, filters),
    ]


def _lent(tenant_id: int, filters: Sql) -> Sql:
    """What the best matches lend to their neighbours in the same session: two index-only look-ups for each."""
    before, before_params = _neighbours(
        tenant_id, filters, sign="<", order="DESC", edge="created_at > o.created_at -"
    )
    after, after_params = _neighbours(
        tenant_id, filters, sign=">", order="ASC", edge="created_at < o.created_at +"
    )
    return (
        f"""lent AS (
            SELECT n.id, o.score / 2::float8 ^ n.distance AS context
            FROM (SELECT * FROM own ORDER BY score DESC, id LIMIT {LENDERS}) AS o
            CROSS JOIN LATERAL ({before} UNION ALL {after}) AS n
            WHERE n.word_count + o.word_count <= {CONTEXT_WORDS})""",
        [*before_params, *after_params],
    )


def _neighbours(tenant_id: int, filters: Sql, *, sign: str, order: str, edge: str) -> Sql:
    where, params = filters
    return (
        f"""(SELECT id, word_count, row_number() OVER (ORDER BY created_at {order}, id {order}) AS distance
             FROM memories_message
             WHERE tenant_id = %s AND conversation_id = o.conversation_id
               AND (created_at, id) {sign} (o.created_at, o.id) AND {edge} interval '{SESSION_GAP_HOURS} hours'
               {"AND " + where if where else ""}
             ORDER BY created_at {order}, id {order} LIMIT 2)""",
        [tenant_id, *params],
    )


def _nearest(tenant_id: int, space_id: int, vector: Vector, filters: Sql) -> Sql:
    where, params = filters
    allowed = f"AND message_id IN (SELECT id FROM memories_message WHERE tenant_id = %s AND {where})"
    return (
        f"""nearest AS MATERIALIZED (
            SELECT message_id AS id FROM memories_messageembedding
            WHERE tenant_id = %s AND space_id = %s {allowed if where else ""}
            ORDER BY embedding <#> %s::halfvec LIMIT {BEST_OF_EACH})""",
        [tenant_id, space_id, *([tenant_id, *params] if where else []), _literal(vector)],
    )


def _merged(*, with_words: bool, with_vector: bool) -> Sql:
    """One row a message with what every part says of it, and its place by words."""
    words = [
        "SELECT id, score AS own, 0::float8 AS context, false AS near FROM own",
        "SELECT id, 0::float8 AS own, context, false AS near FROM lent",
    ]
    vectors = ["SELECT id, 0::float8 AS own, 0::float8 AS context, true AS near FROM nearest"]
    union = " UNION ALL ".join((words if with_words else []) + (vectors if with_vector else []))
    return (
        f"""merged AS (
            SELECT id, sum(own) AS own, sum(context) AS context, bool_or(near) AS near,
                   row_number() OVER (ORDER BY sum(own + context) DESC, id) AS place
            FROM ({union}) AS parts GROUP BY id)""",
        [],
    )


def _rows(tenant_id: int, space_id: int, vector: Vector | None, speaker: str | None) -> Sql:
    """The candidates' own rows, one key look-up each: LIMIT 1 keeps the planner from any other way."""
    cosine = """(SELECT -(embedding <#> %s::halfvec) FROM memories_messageembedding
                 WHERE tenant_id = %s AND space_id = %s AND message_id = c.id)"""
    return (
        f"""SELECT c.id, m.importance, m.created_at, {cosine if vector is not None else "NULL::float8"},
                   c.own, c.context, coalesce(lower(split_part(m.name, ' ', 1)) = %s, false)
            FROM merged c CROSS JOIN LATERAL (
                SELECT importance, created_at, name FROM memories_message
                WHERE tenant_id = %s AND id = c.id LIMIT 1) AS m
            WHERE c.near OR (c.place <= {BEST_OF_EACH} AND c.own + c.context > 0)""",
        [*([_literal(vector), tenant_id, space_id] if vector is not None else []), speaker, tenant_id],
    )


def tsquery(tenant_id: int, lexemes: Sequence[str]) -> str:
    """Any of the words, within the tenant: its own lexeme leads every posting list that is read."""
    return f"'~t{tenant_id}' & (" + " | ".join(_quoted(lexeme) for lexeme in lexemes) + ")"


def _quoted(lexeme: str) -> str:
    """A lexeme as tsquery text: PostgreSQL's own words, but a stranger's text all the same."""
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def _literal(vector: Vector) -> str:
    return "[" + ",".join(f"{component:.5g}" for component in vector) + "]"


def _tenant_size(tenant_id: int) -> tuple[int, float]:
    found = Message.objects.for_tenant(tenant_id).aggregate(count=Count("*"), mean=Avg("word_count"))
    return int(found["count"]), float(found["mean"] or 0)


def _candidate(row: tuple[Any, ...]) -> Candidate:
    message_id, importance, created_at, cosine, own, context, by_named_speaker = row
    return Candidate(
        id=message_id,
        importance=importance,
        created_at=created_at,
        cosine=cosine,
        own_bm25=own,
        context_bm25=context,
        by_named_speaker=by_named_speaker,
    )
