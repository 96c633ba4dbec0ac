"""Candidates for a query: the best by words, the nearest by vector, and the turns around both.

Filters are applied in every statement, before anything is ranked, so that an answer is full whenever enough messages
pass them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest

from django.db.models import Q

from memories import lexical, neighbourhood, vectors
from memories.filters import where_sql
from memories.lexicon import Words
from memories.prepared import Binary
from memories.relevance import NO_CANDIDATES, Candidates, Followers
from memories.tables import LIVE, Tables

# So many by words and so many by vector, or as many as are wanted: from there on more of them changed no recall.
SEEDS_EACH = 16
# So many of the best seeds bring the turns around them along. With 24, recall@10 is 0.4 points higher on one kind of
# chats and 0.4 lower on the other, for a third more candidates.
EXPANDED = 16
# Copies of one text count as one message. Where they leave too few, more is gathered, up to WIDEST by words and vector.
WIDENING = 8
WIDEST = 2000


@dataclass(kw_only=True)
class Gathered:
    """What may be in the answer, and where it came from (ids, best first)."""

    by_words: Sequence[str] = ()
    by_vector: Sequence[str] = ()
    newest: Sequence[str] = ()
    candidates: Candidates = NO_CANDIDATES
    followers: Followers = field(default_factory=dict)

    @property
    def distinct(self) -> int:
        """Different texts among the candidates."""
        return len(set(self.candidates.fingerprints))


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A query as the database can answer it. No vector, or no terms: only the other is gone by."""

    tenant_id: int
    words: Words
    space_id: int
    vector: Binary | None  # made by `vectors.sent`
    condition: Q
    fill: bool  # whether the newest messages may stand in where neither words nor vectors find enough
    also: Sequence[str] = ()  # ids of messages that are candidates in any case
    tables: Tables = LIVE


def gather(asked: Asked, *, wanted: int) -> Gathered:
    """Enough candidates for an answer of `wanted` messages, if there are so many."""
    each = max(SEEDS_EACH, wanted)
    while True:
        found = _gather(asked, each=each, wanted=wanted)
        more = max(len(found.by_words), len(found.by_vector), len(found.newest)) >= each
        if found.distinct >= wanted or not more or each >= WIDEST:
            return found
        each = min(WIDEST, each * WIDENING)


def _gather(asked: Asked, *, each: int, wanted: int) -> Gathered:
    filters = where_sql(asked.condition)
    bm25 = lexical.score(asked.words)
    found = Gathered()
    # Vectors fill the answer, but a filter may leave words that are rare only among what passes it.
    at_least = each if asked.vector is None or filters[0] else 1
    found.by_words = lexical.best(
        asked.tenant_id,
        asked.words,
        bm25,
        filters,
        limit=each,
        at_least=at_least,
        tables=asked.tables,
    )
    if asked.vector is not None:
        wanted_vectors = vectors.Query(
            tenant_id=asked.tenant_id,
            space_id=asked.space_id,
            vector=asked.vector,
            limit=each,
            filters=filters,
            bucketed=asked.words.has_codebook,
            bounded=asked.words.messages >= vectors.BOUNDED,
            tables=asked.tables,
        )
        found.by_vector = [message_id for message_id, _ in vectors.nearest(wanted_vectors)]
    if asked.fill and len({*found.by_words, *found.by_vector}) < wanted:
        newest = asked.tables.newest(asked.tenant_id, filters, limit=each)
        found.newest = [str(message_id) for message_id, _ in newest]
    best_first = chain.from_iterable(zip_longest(found.by_words, found.by_vector))
    seeds = dict.fromkeys(each for each in [*best_first, *found.newest, *asked.also] if each)
    found.candidates, found.followers = neighbourhood.read(
        asked.tenant_id,
        list(seeds),
        expanded=EXPANDED,
        speaker=asked.words.speaker,
        bm25=bm25,
        space_id=asked.space_id,
        vector=asked.vector,
        filters=filters,
        tables=asked.tables,
    )
    return found
