"""How much a candidate has to do with the query, before importance and age. Pure.

Relevance of a candidate = 0.5 lexical + 0.25 vector + 0.25 vector context
                         + 0.3 speaker + 0.4 time + 0.3 session, with

- lexical: BM25 of its own words, plus 1/2 of that of the turns next to it and 1/4 of the second next; over the best
  candidate's. The answer to a question often stands beside the question's words.
- vector: its cosine, min-max over the candidates.
- vector context: its cosine with those of the turns around it (weights 1, and before 1, 0.5, after 0.5, 0.25; a turn
  that is not there counts as its own), min-max over the candidates.
- speaker: 1 if it is by the one person that the query names.
- time: e^(-days / 10) of the distance to the time that the query mentions (`mentioned_time`).
- session: the best relevance so far among the short messages of its session, over the best session's.

Long messages neither lend to nor take from their neighbours, and make no session: they hold some of everything.
Without word matches the vectors' shares fill the lexical one's place, and a candidate without a vector is judged by its
words alone. Constants: measured on two kinds of chats (docs/ranking.md).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from memories.mentioned_time import Span, closeness

CONTEXT_WORDS = 120
SESSION_GAP_HOURS = 6
# Offset in the conversation -> what a neighbour there lends, as a share of its own.
LENT_WORDS = {-2: 0.25, -1: 0.5, 1: 0.5, 2: 0.25}
LENT_COSINE = {-2: 0.5, -1: 1.0, 1: 0.5, 2: 0.25}
_GAP_SECONDS = SESSION_GAP_HOURS * 3600
_NEVER = (0, -math.inf)
_COSINES = 1.0 + sum(LENT_COSINE.values())


@dataclass(frozen=True, kw_only=True)
class Signals:
    """What each signal may add to the relevance. 0 turns one off, as the ablation of the benchmarks does."""

    lexical: float = 0.5
    vector: float = 0.25
    vector_context: float = 0.25
    lexical_context: float = 1.0  # of what neighbours lend to the lexical signal
    speaker: float = 0.3
    time: float = 0.4
    session: float = 0.3


class Candidate(NamedTuple):
    """What the database knows of a message that may be in the answer."""

    id: str
    conversation_id: str
    created_s: (
        float  # seconds since 1970: ten times faster to read than a datetime, of which there are hundreds
    )
    importance: float  # 0..1
    word_count: int
    by_named_speaker: bool = False
    own_bm25: float = 0.0  # of its own words, >= 0
    cosine: float | None = None  # -1..1; None: no vector yet, or not asked for
    fingerprint: int = 0  # the same for the same text, name and role


# Who was said right after whom in a conversation, by their places among the candidates.
Followers = Mapping[int, int]


@dataclass(frozen=True)
class Candidates:
    """All candidates, field by field: a loop over lists takes a third of one over a hundred objects."""

    ids: Sequence[str] = ()
    conversation_ids: Sequence[str] = ()
    created_s: Sequence[float] = ()
    importances: Sequence[float] = ()
    word_counts: Sequence[int] = ()
    by_named_speaker: Sequence[bool] = ()
    own_bm25s: Sequence[float] = ()
    cosines: Sequence[float | None] = ()
    fingerprints: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def at(self, place: int) -> Candidate:
        """One of them."""
        return Candidate(
            self.ids[place],
            self.conversation_ids[place],
            self.created_s[place],
            self.importances[place],
            self.word_counts[place],
            self.by_named_speaker[place],
            self.own_bm25s[place],
            self.cosines[place],
            self.fingerprints[place],
        )

    def all(self) -> list[Candidate]:
        """One after the other."""
        return [self.at(place) for place in range(len(self))]


NO_CANDIDATES = Candidates()


class Term(NamedTuple):
    """One term of a sum: its weight and its value."""

    weight: float
    value: float | None


class Relevance(NamedTuple):
    """A candidate's signals, each 0..1, and their weighted sum.

    `shares` are the weights of lexical, vector and vector context: what is missing leaves its share to the rest.
    `bonuses` are those of speaker, time and session.
    """

    total: float
    shares: tuple[float, float, float]
    bonuses: tuple[float, float, float]
    lexical: float
    vector: float | None
    vector_context: float | None
    context_bm25: float
    speaker: float
    time: float
    session: float


class Relevances:
    """All candidates' signals: `totals` in the candidates' order, and the terms of one by its place.

    Signals are columns too: an answer needs the rows of few candidates.
    """

    def __init__(
        self,
        candidates: Candidates,
        followers: Followers,
        *,
        signals: Signals,
        span: Span | None,
    ) -> None:
        self._candidates, self._signals = candidates, signals
        bm25, cosines = self._candidates.own_bm25s, self._candidates.cosines
        lent, contexts = _lent(self._candidates, followers)
        self._lent = [signals.lexical_context * more for more in lent]
        self._words = _shares_of_best([own + more for own, more in zip(bm25, self._lent, strict=True)])
        self._vectors, self._contexts = min_max(cosines), min_max(contexts)
        self._any_word = any(self._words)
        self._times = (
            [closeness(span, each) for each in candidates.created_s] if span else [0.0] * len(candidates)
        )
        bases = self._bases()
        self._sessions = _best_of_sessions(self._candidates, bases)
        self.totals = [
            base + signals.session * session for base, session in zip(bases, self._sessions, strict=True)
        ]

    def at(self, place: int) -> Relevance:
        """The signals of one candidate."""
        signals = self._signals
        return Relevance(
            total=self.totals[place],
            shares=self._shares(self._vectors[place]),
            bonuses=(signals.speaker, signals.time, signals.session),
            lexical=self._words[place],
            vector=self._vectors[place],
            vector_context=self._contexts[place],
            context_bm25=self._lent[place],
            speaker=float(self._candidates.by_named_speaker[place]),
            time=self._times[place],
            session=self._sessions[place],
        )

    def _bases(self) -> list[float]:
        """Everything but the session, which is made of these."""
        speaker, time = self._signals.speaker, self._signals.time
        alone, *_ = self._shares(None)
        lexical, near, around = self._shares(0.0)
        known = zip(
            self._words,
            self._vectors,
            self._contexts,
            self._candidates.by_named_speaker,
            self._times,
            strict=True,
        )
        return [
            (
                alone * word
                if vector is None or context is None
                else lexical * word + near * vector + around * context
            )
            + speaker * named
            + time * close
            for word, vector, context, named, close in known
        ]

    def _shares(self, vector: float | None) -> tuple[float, float, float]:
        """Weights of lexical, vector and vector context for a candidate with that vector signal."""
        signals = self._signals
        near = signals.vector + signals.vector_context
        whole = signals.lexical + near
        if vector is None or not near:
            return whole, 0.0, 0.0
        if self._any_word:
            return signals.lexical, signals.vector, signals.vector_context
        return 0.0, whole * signals.vector / near, whole * signals.vector_context / near


def signal_terms(relevance: Relevance) -> dict[str, Term]:
    """The terms of a relevance: weight times value, added up, is its total."""
    names = ("lexical", "vector", "vector_context", "speaker", "time", "session")
    weights = (*relevance.shares, *relevance.bonuses)
    return {name: Term(weight, getattr(relevance, name)) for name, weight in zip(names, weights, strict=True)}


def min_max(values: Sequence[float | None]) -> list[float | None]:
    """Where each value lies in the range of all, 0..1; in a range of one value everything is the best."""
    known = [value for value in values if value is not None]
    low = min(known, default=0.0)
    span = max(known, default=0.0) - low
    return [None if value is None else (value - low) / span if span > 0 else 1.0 for value in values]


def _lent(known: Candidates, followers: Followers) -> tuple[list[float], list[float | None]]:
    """Per candidate the BM25 that short enough neighbours lend it, and the mean of its and their cosines."""
    counts, bm25, cosines = known.word_counts, known.own_bm25s, known.cosines
    words, more = [0.0] * len(counts), [0.0] * len(counts)
    second = ((n, followers[m]) for n, m in followers.items() if m in followers)
    for offset, pairs in ((1, followers.items()), (2, second)):
        of_later, of_earlier = LENT_WORDS[offset], LENT_WORDS[-offset]
        to_later, to_earlier = LENT_COSINE[-offset], LENT_COSINE[offset]
        for n, m in pairs:
            if counts[n] + counts[m] > CONTEXT_WORDS:
                continue
            words[n] += of_later * bm25[m]
            words[m] += of_earlier * bm25[n]
            earlier, later = cosines[n], cosines[m]
            if earlier is not None and later is not None:
                # Its own cosine stands in for a neighbour that is not there or has no vector.
                more[n] += to_earlier * (later - earlier)
                more[m] += to_later * (earlier - later)
    contexts = [
        None if own is None else own + lent / _COSINES for own, lent in zip(cosines, more, strict=True)
    ]
    return words, contexts


def _shares_of_best(values: Sequence[float]) -> list[float]:
    best = max(values, default=0.0)
    return [value / best if best > 0 else 0.0 for value in values]


def _best_of_sessions(known: Candidates, bases: Sequence[float]) -> list[float]:
    """Per candidate: its session's best short message over the best session's."""
    sessions = _sessions(known)
    best = [0.0] * len(sessions)
    for count, session, base in zip(known.word_counts, sessions, bases, strict=True):
        if count <= CONTEXT_WORDS and base > best[session]:
            best[session] = base
    shares = _shares_of_best(best)
    return [shares[session] for session in sessions]


def _sessions(known: Candidates) -> list[int]:
    """Per candidate the number of its session: a conversation's candidates without a gap of more than 6 hours."""
    sessions = [0] * len(known)
    latest: dict[
        str, tuple[int, float]
    ] = {}  # of each conversation: the session, and when it was last heard of
    count = 0
    order = sorted(zip(known.created_s, range(len(sessions)), known.conversation_ids, strict=True))
    for created_s, n, conversation in order:
        session, before = latest.get(conversation, _NEVER)
        if created_s - before > _GAP_SECONDS:
            session, count = count, count + 1
        sessions[n], latest[conversation] = session, (session, created_s)
    return sessions
