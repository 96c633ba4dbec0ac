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
    """The best by words and the best by vector, each with all its signals. No vector, or no lexemes: the other's."""
    filters = where_sql(condition)
    speaker = next(iter(speakers)) if len(speakers) == 1 else None
    parts = [
        *_lexical(tenant_id, lexemes, filters),
        _nearest(tenant_id, space_id, vector, filters),
        _joined(tenant_id, space_id, vector, speaker),
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH " + "\n".join(sql for sql, _ in parts), [value for _, params in parts for value in params]
        )
        return [_candidate(row) for row in cursor.fetchall()]


def _lexical(tenant_id: int, lexemes: Sequence[str], filters: Sql) -> list[Sql]:
    if not lexemes:
        return [
            ("lexical AS (SELECT NULL::uuid AS id, 0::float8 AS own, 0::float8 AS context WHERE false),", [])
        ]
    return [
        _matched(tenant_id, lexemes, filters),
        _scored(tenant_id, lexemes),
        _lent(tenant_id, filters),
        (
            """lexical AS MATERIALIZED (
                SELECT id, sum(own) AS own, sum(context) AS context
                FROM (SELECT id, score AS own, 0::float8 AS context FROM scored
                      UNION ALL SELECT id, 0, context FROM lent) AS parts GROUP BY id),""",
            [],
        ),
    ]


def _matched(tenant_id: int, lexemes: Sequence[str], filters: Sql) -> Sql:
    where, params = filters
    return (
        f"""matched AS MATERIALIZED (
            SELECT id, conversation_id, created_at, word_count, document FROM memories_message
            WHERE document @@ %s::tsquery {"AND " + where if where else ""} LIMIT {MATCH_LIMIT}),""",
        [tsquery(tenant_id, lexemes), *params],
    )


def _scored(tenant_id: int, lexemes: Sequence[str]) -> Sql:
    total, mean_words = caching.remembered_tenant_size(tenant_id, lambda: _tenant_size(tenant_id))
    return (
        f"""found AS MATERIALIZED (
            SELECT m.id, m.word_count, w.word,
                   (1 + width_bucket(ts_rank('{{1,1,1,1}}', m.document, w.word)::float8, {_TF_MARKS}))::float8 AS tf
            FROM matched m JOIN unnest(%s::tsquery[]) AS w(word) ON m.document @@ w.word),
        weight AS (
            SELECT word, ln(1 + (greatest(%s::float8, n) - n + 0.5::float8) / (n + 0.5::float8)) AS idf
            FROM (SELECT word, count(*)::float8 AS n FROM found GROUP BY word) AS counted),
        scored AS MATERIALIZED (
            SELECT id, sum(idf * tf * ({K1}::float8 + 1)
                           / (tf + {K1} * (1 - {B} + {B} * word_count / %s::float8))) AS score
            FROM found JOIN weight USING (word) GROUP BY id),""",
        [[_quoted(lexeme) for lexeme in lexemes], float(total), max(mean_words, 1.0)],
    )


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
            FROM (SELECT m.id, m.conversation_id, m.created_at, m.word_count, s.score
                  FROM scored s JOIN matched m USING (id) ORDER BY s.score DESC LIMIT {LENDERS}) AS o
            CROSS JOIN LATERAL ({before} UNION ALL {after}) AS n
            WHERE n.word_count + o.word_count <= {CONTEXT_WORDS}),""",
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


def _nearest(tenant_id: int, space_id: int, vector: Vector | None, filters: Sql) -> Sql:
    if vector is None:
        return "nearest AS (SELECT NULL::uuid AS id WHERE false)", []
    where, params = filters
    allowed = (
        f"AND message_id IN (SELECT id FROM memories_message WHERE tenant_id = %s AND {where})"
        if where
        else ""
    )
    return (
        f"""nearest AS MATERIALIZED (
            SELECT message_id AS id FROM memories_messageembedding
            WHERE tenant_id = %s AND space_id = %s {allowed if where else ""}
            ORDER BY embedding <#> %s::halfvec LIMIT {BEST_OF_EACH})""",
        [tenant_id, space_id, *([tenant_id, *params] if where else []), _literal(vector)],
    )


def _joined(tenant_id: int, space_id: int, vector: Vector | None, speaker: str | None) -> Sql:
    cosine = "-(e.embedding <#> %s::halfvec)" if vector is not None else "NULL::float8"
    return (
        f"""
        SELECT m.id, m.importance, m.created_at, {cosine}, coalesce(l.own, 0), coalesce(l.context, 0),
               coalesce(lower(split_part(m.name, ' ', 1)) = %s, false)
        FROM (SELECT id FROM nearest UNION
              (SELECT id FROM lexical ORDER BY own + context DESC LIMIT {BEST_OF_EACH})) AS c
        JOIN memories_message m ON m.tenant_id = %s AND m.id = c.id
        LEFT JOIN lexical l ON l.id = c.id
        LEFT JOIN memories_messageembedding e ON e.tenant_id = %s AND e.space_id = %s AND e.message_id = c.id""",
        [*([_literal(vector)] if vector is not None else []), speaker, tenant_id, tenant_id, space_id],
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
