"""The messages whose own words match best: BM25 over the index documents.

BM25: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, with the tenant's own
statistics (`lexicon`). PostgreSQL's ts_rank would cost 8 points of recall.

Common words match a large part of a tenant and decide nothing. So rows are looked for by the rarest words of the query
that together may match MATCHES messages, and then scored by all of its words: what is lost are messages that hold only
common ones. Where that finds too few, all words look.

Where even the rarest word is common, rows that hold several of the rarest come first, those with the most idf before
the others, and no more rows are read than are scored.
"""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from memories import statements
from memories.lexicon import Term, Words
from memories.statements import array, simple_array
from memories.tables import LIVE, Tables

K1, B = 1.2, 0.75
# Messages that the looked-for words may match together, and the most that are ever scored: 1.5 us a message and word.
MATCHES = 120
MATCHES_AT_MOST = 300
# With a filter that so few messages pass, they are read instead of the index.
FEW = 1000
# So many of the rarest words are looked for together, where the rarest alone matches more than can be scored.
TOGETHER = 3
# ts_rank of one word with all weights 1 is sum(1/i^2, i=1..tf) * 6/pi^2: halfway marks give the frequency back,
# exactly up to 8; above that BM25 has saturated.
_TF_MARKS = "ARRAY[0.684, 0.794, 0.847, 0.878, 0.898, 0.912, 0.923]::float8[]"

_SCORE = f"""
    CASE WHEN m.document @@ %s::tsquery THEN (
        SELECT sum(w.idf * {K1 + 1}::float8 * w.tf / (w.tf + w.length)) FROM (
            SELECT q.idf,
                   1::float8 + width_bucket(ts_rank('{{1,1,1,1}}', m.document, q.word)::float8, {_TF_MARKS}) AS tf,
                   {K1}::float8 * ({1 - B}::float8 + {B}::float8 * m.word_count / %s::float8) AS length
            FROM unnest(%s::tsquery[], %s::float8[]) AS q(word, idf) WHERE m.document @@ q.word) AS w)
    ELSE 0 END"""

Sql = tuple[str, list[Any]]
# An operator of arrays, and index words: a message holds any of them (&&), or all (@>).
Look = tuple[str, list[str]]


def best(
    tenant_id: int, words: Words, bm25: Sql, filters: Sql, *, limit: int, at_least: int, tables: Tables = LIVE
) -> list[str]:
    """Ids of the `limit` best messages by their own words that pass the filters, best first.

    `bm25`: the words' `score`. `at_least`: where the rarest words find fewer, all words look.
    """
    looked_for = essential(words.terms, at_least=at_least)
    ways = looks(words, looked_for)
    found = _best(tenant_id, words, bm25, ways, filters, limit=limit, tables=tables)
    if len(found) < at_least and len(looked_for) < len(words.terms):
        every = [*ways, _any_of(words.terms)]
        return _best(tenant_id, words, bm25, every, filters, limit=limit, tables=tables)
    return found


def essential(terms: Sequence[Term], *, at_least: int) -> Sequence[Term]:
    """The rarest terms that together match at most MATCHES messages, but enough for an answer; one in any case."""
    chosen: list[Term] = []
    matches = 0
    for term in _by_rarity(terms):
        if chosen and matches >= at_least and matches + term.messages > MATCHES:
            break
        chosen.append(term)
        matches += term.messages
    return chosen


def score(words: Words) -> Sql:
    """A scalar: BM25 of a message `m`; 0 where no word matches."""
    if not words.terms:
        return "0::float8", []
    lexemes = [_quoted(term.lexeme) for term in words.terms]
    idfs = simple_array(idf(term, words.messages) for term in words.terms)
    return _SCORE, [" | ".join(lexemes), words.mean_words, array(lexemes), idfs]


def in_message(tenant_id: int, message_id: str, words: Words, tables: Tables = LIVE) -> list[str]:
    """Those index words of the query that the message holds."""
    found = statements.rows_of(
        tenant_id,
        f"""SELECT word FROM unnest(%s::text[]) AS word
           WHERE word = ANY(ARRAY(SELECT unnest(tsvector_to_array(document)) FROM {tables.messages}
                                  WHERE tenant_id = %s::bigint AND id = %s::uuid)) ORDER BY word""",
        [array(term.lexeme for term in words.terms), tenant_id, message_id],
    )
    return [word for (word,) in found]


def idf(term: Term, messages: int) -> float:
    """ln(1 + (N - n + 0.5) / (n + 0.5)); N is at least n, while the statistics of a moment disagree."""
    n = term.messages
    return math.log(1 + (max(messages, n) - n + 0.5) / (n + 0.5))


def looks(words: Words, looked_for: Sequence[Term]) -> list[Look]:
    """What to look for, one after the other until there are rows enough: any of `looked_for` comes last."""
    if not looked_for:
        return []
    last = [_any_of(looked_for)]
    if looked_for[0].messages <= MATCHES_AT_MOST:
        return last
    rarest = _by_rarity(words.terms)[:TOGETHER]
    groups = [group for size in range(2, len(rarest) + 1) for group in combinations(rarest, size)]
    weights = {group: sum(idf(term, words.messages) for term in group) for group in groups}
    heavy = [group for group in groups if weights[group] > idf(rarest[0], words.messages)]
    return [
        ("@>", [term.lexeme for term in group]) for group in sorted(heavy, key=lambda g: -weights[g])
    ] + last


def _any_of(terms: Sequence[Term]) -> Look:
    return "&&", [term.lexeme for term in terms]


def _by_rarity(terms: Sequence[Term]) -> list[Term]:
    return sorted(terms, key=lambda each: (each.messages, each.lexeme))


def _best(
    tenant_id: int,
    words: Words,
    bm25: Sql,
    ways: Sequence[Look],
    filters: Sql,
    *,
    limit: int,
    tables: Tables,
) -> list[str]:
    if not ways:
        return []
    rows = [_looked_up(tenant_id, way, filters, tables) for way in ways]
    few, few_params = _few(tenant_id, words, filters, tables) if filters[0] else ("", [])
    if filters[0]:
        rows.insert(0, ("SELECT * FROM few WHERE (SELECT are_few FROM counted)", []))
    scored, score_params = bm25
    # The index keeps tenants apart by a hash: the condition outside makes sure, which inside would tempt the planner to
    # read all of the tenant. A row that two looks find counts twice in the limit, and is scored once.
    found = statements.rows_of(
        tenant_id,
        f"""
        {few} SELECT m.id::text, {scored} AS score FROM (
            SELECT DISTINCT ON (id) * FROM (
                {" UNION ALL ".join(sql for sql, _ in rows)} LIMIT {MATCHES_AT_MOST}) AS found ORDER BY id) AS m
        WHERE m.tenant_id = %s::bigint ORDER BY score DESC, m.id LIMIT %s::int
        """,
        [*few_params, *score_params, *(value for _, values in rows for value in values), tenant_id, limit],
    )
    return [row[0] for row in found]


def _looked_up(tenant_id: int, way: Look, filters: Sql, tables: Tables) -> Sql:
    """The words are hidden from the planner: of common ones it hopes to meet enough early on in reading the table."""
    where, params = filters
    operator, lexemes = way
    passes = f"AND tenant_id = %s::bigint AND {where} AND NOT (SELECT are_few FROM counted)" if where else ""
    return (
        f"""SELECT tenant_id, id, document, word_count FROM {tables.messages_by_words}
            WHERE memories_terms(tenant_id, tsvector_to_array(document)) {operator}
                  (SELECT memories_terms(%s::bigint, %s::text[])) {passes}""",
        [tenant_id, array(lexemes), *([tenant_id, *params] if where else [])],
    )


def _few(tenant_id: int, words: Words, filters: Sql, tables: Tables) -> Sql:
    """Where few messages pass the filters, those that hold any word. The limit is hidden for the same reason."""
    where, params = filters
    return (
        f"""
        WITH passing AS MATERIALIZED (
            SELECT tenant_id, id, document, word_count FROM {tables.messages}
            WHERE tenant_id = %s::bigint AND {where} LIMIT (SELECT {FEW + 1})
        ), counted AS MATERIALIZED (SELECT count(*) <= {FEW} AS are_few FROM passing
        ), few AS (SELECT * FROM passing WHERE document @@ %s::tsquery)""",
        [tenant_id, *params, " | ".join(_quoted(term.lexeme) for term in words.terms)],
    )


def _quoted(lexeme: str) -> str:
    """A lexeme as tsquery text: PostgreSQL's own words, but a stranger's text all the same."""
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"
