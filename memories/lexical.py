"""The messages whose own words match best: BM25 over the index documents.

BM25: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, with the tenant's own
statistics (`lexicon`). PostgreSQL's ts_rank would cost 8 points of recall.

Common words match a large part of a tenant and decide nothing. So rows are looked for by the rarest words of the query
that together may match MATCHES messages, and then scored by all of its words: what is lost are messages that hold only
common ones. Where that finds too few, all words look.
"""

import math
from collections.abc import Sequence
from typing import Any

from memories import statements
from memories.lexicon import Term, Words

K1, B = 1.2, 0.75
# Messages that the looked-for words may match together, and the most that are ever scored: 1.5 us a message and word.
MATCHES = 120
MATCHES_AT_MOST = 2000
# ts_rank of one word with all weights 1 is sum(1/i^2, i=1..tf) * 6/pi^2: halfway marks give the frequency back,
# exactly up to 8; above that BM25 has saturated.
_TF_MARKS = "ARRAY[0.684, 0.794, 0.847, 0.878, 0.898, 0.912, 0.923]::float8[]"

Sql = tuple[str, list[Any]]


def best(tenant_id: int, words: Words, filters: Sql, *, limit: int) -> list[str]:
    """Ids of the `limit` best messages by their own words that pass the filters, best first."""
    looked_for = essential(words.terms, at_least=limit)
    found = _best(tenant_id, words, looked_for, filters, limit=limit)
    if len(found) < limit and len(looked_for) < len(words.terms):
        return _best(tenant_id, words, words.terms, filters, limit=limit)
    return found


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


def in_message(tenant_id: int, message_id: str, words: Words) -> list[str]:
    """Those index words of the query that the message holds."""
    found = statements.rows(
        """SELECT word FROM unnest(%s::text[]) AS word
           WHERE word = ANY(ARRAY(SELECT unnest(tsvector_to_array(document)) FROM memories_message
                                  WHERE tenant_id = %s::bigint AND id = %s::uuid)) ORDER BY word""",
        [[term.lexeme for term in words.terms], tenant_id, message_id],
    )
    return [word for (word,) in found]


def idf(term: Term, messages: int) -> float:
    """ln(1 + (N - n + 0.5) / (n + 0.5)); N is at least n, while the statistics of a moment disagree."""
    n = term.messages
    return math.log(1 + (max(messages, n) - n + 0.5) / (n + 0.5))


def tsquery(tenant_id: int, lexemes: Sequence[str]) -> str:
    """Any of the words, within the tenant: its own lexeme leads every posting list that is read."""
    return f"'~t{tenant_id}' & (" + " | ".join(_quoted(lexeme) for lexeme in lexemes) + ")"


def _best(tenant_id: int, words: Words, looked_for: Sequence[Term], filters: Sql, *, limit: int) -> list[str]:
    if not looked_for:
        return []
    where, params = filters
    scored, score_params = score(words, document="m.document", word_count="m.word_count")
    found = statements.rows(
        f"""
        SELECT m.id::text, {scored} AS score FROM (
            SELECT id, document, word_count FROM memories_message
            WHERE document @@ %s::tsquery {"AND " + where if where else ""} LIMIT {MATCHES_AT_MOST}) AS m
        ORDER BY score DESC, m.id LIMIT %s::int
        """,
        [*score_params, tsquery(tenant_id, [term.lexeme for term in looked_for]), *params, limit],
    )
    return [row[0] for row in found]


def _quoted(lexeme: str) -> str:
    """A lexeme as tsquery text: PostgreSQL's own words, but a stranger's text all the same."""
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"
