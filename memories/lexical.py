"""The messages whose own words match best: BM25 over the index documents.

BM25: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, with the tenant's own
statistics (`lexicon`). PostgreSQL's ts_rank would cost 8 points of recall.

Common words match a large part of a tenant and decide nothing. So rows are looked for by the rarest words of the query
that together may match MATCHES messages, and then scored by all of its words: what is lost are messages that hold only
common ones. Where that finds too few, all words look.
"""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from memories import statements
from memories.lexicon import Term, Words
from memories.tables import LIVE, Tables

K1, B = 1.2, 0.75
# Messages that the looked-for words may match together, and the most that are ever scored: 1.5 us a message and word.
MATCHES = 120
MATCHES_AT_MOST = 300
# Of so many of the rarest words two are looked for together, where the rarest alone matches more than can be scored.
PAIRED = 3
# ts_rank of one word with all weights 1 is sum(1/i^2, i=1..tf) * 6/pi^2: halfway marks give the frequency back,
# exactly up to 8; above that BM25 has saturated.
_TF_MARKS = "ARRAY[0.684, 0.794, 0.847, 0.878, 0.898, 0.912, 0.923]::float8[]"

Sql = tuple[str, list[Any]]


def best(
    tenant_id: int, words: Words, filters: Sql, *, limit: int, at_least: int, tables: Tables = LIVE
) -> list[str]:
    """Ids of the `limit` best messages by their own words that pass the filters, best first.

    `at_least`: where the rarest words find fewer, all words look.
    """
    looked_for = essential(words.terms, at_least=at_least)
    ways = [any_of(looked_for)] if looked_for else []
    if looked_for and looked_for[0].messages > MATCHES_AT_MOST and len(words.terms) > 1:
        ways.insert(0, pairs(words.terms))
    found: list[str] = []
    for matching in ways:
        if len(found) < limit:
            more = _best(tenant_id, words, matching, filters, limit=limit, tables=tables)
            found += [each for each in more if each not in found]
    if len(found) < at_least and len(looked_for) < len(words.terms):
        return _best(tenant_id, words, any_of(words.terms), filters, limit=limit, tables=tables)
    return found[:limit]


def essential(terms: Sequence[Term], *, at_least: int) -> Sequence[Term]:
    """The rarest terms that together match at most MATCHES messages, but enough for an answer; one in any case."""
    chosen: list[Term] = []
    matches = 0
    for term in sorted(terms, key=lambda each: (each.messages, each.lexeme)):
        if chosen and matches >= at_least and matches + term.messages > MATCHES:
            break
        chosen.append(term)
        matches += term.messages
    return chosen


def score(words: Words, *, document: str, word_count: str) -> Sql:
    """A scalar: BM25 of a message, given its columns; 0 where no word matches."""
    if not words.terms:
        return "0::float8", []
    lexemes = [_quoted(term.lexeme) for term in words.terms]
    return (
        f"""CASE WHEN {document} @@ %s::tsquery THEN (
            SELECT sum(w.idf * {K1 + 1}::float8 * w.tf / (w.tf + w.length)) FROM (
                SELECT q.idf,
                       1::float8 + width_bucket(ts_rank('{{1,1,1,1}}', {document}, q.word)::float8, {_TF_MARKS}) AS tf,
                       {K1}::float8 * ({1 - B}::float8 + {B}::float8 * {word_count} / %s::float8) AS length
                FROM unnest(%s::tsquery[], %s::float8[]) AS q(word, idf) WHERE {document} @@ q.word) AS w)
            ELSE 0 END""",
        [" | ".join(lexemes), words.mean_words, lexemes, [idf(term, words.messages) for term in words.terms]],
    )


def in_message(tenant_id: int, message_id: str, words: Words, tables: Tables = LIVE) -> list[str]:
    """Those index words of the query that the message holds."""
    found = statements.rows(
        f"""SELECT word FROM unnest(%s::text[]) AS word
           WHERE word = ANY(ARRAY(SELECT unnest(tsvector_to_array(document)) FROM {tables.messages}
                                  WHERE tenant_id = %s::bigint AND id = %s::uuid)) ORDER BY word""",
        [[term.lexeme for term in words.terms], tenant_id, message_id],
    )
    return [word for (word,) in found]


def idf(term: Term, messages: int) -> float:
    """ln(1 + (N - n + 0.5) / (n + 0.5)); N is at least n, while the statistics of a moment disagree."""
    n = term.messages
    return math.log(1 + (max(messages, n) - n + 0.5) / (n + 0.5))


def any_of(terms: Sequence[Term]) -> str:
    """A tsquery: any of the words."""
    return " | ".join(_quoted(term.lexeme) for term in terms)


def pairs(terms: Sequence[Term]) -> str:
    """A tsquery: any two of the rarest words. Where even the rarest is common, one alone tells nothing."""
    rarest = sorted(terms, key=lambda each: (each.messages, each.lexeme))[:PAIRED]
    return " | ".join(f"{_quoted(a.lexeme)} & {_quoted(b.lexeme)}" for a, b in combinations(rarest, 2))


def _best(
    tenant_id: int, words: Words, matching: str, filters: Sql, *, limit: int, tables: Tables
) -> list[str]:
    where, params = filters
    scored, score_params = score(words, document="m.document", word_count="m.word_count")
    # The tenant's own lexeme keeps its rows apart in the index of all tenants.
    found = statements.rows(
        f"""
        SELECT m.id::text, {scored} AS score FROM (
            SELECT id, document, word_count FROM {tables.messages}
            WHERE document @@ %s::tsquery {"AND " + where if where else ""} LIMIT {MATCHES_AT_MOST}) AS m
        ORDER BY score DESC, m.id LIMIT %s::int
        """,
        [*score_params, f"'~t{tenant_id}' & ({matching})", *params, limit],
    )
    return [row[0] for row in found]


def _quoted(lexeme: str) -> str:
    """A lexeme as tsquery text: PostgreSQL's own words, but a stranger's text all the same."""
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"
