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

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from memories.mentioned_time import Span, closeness

CONTEXT_WORDS = 120
SESSION_GAP_HOURS = 6
# Offset in the conversation -> what a neighbour there lends, as a share of its own.
LENT_WORDS = {-2: 0.25, -1: 0.5, 1: 0.5, 2: 0.25}
LENT_COSINE = {-2: 0.5, -1: 1.0, 1: 0.5, 2: 0.25}
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


# A neighbourhood: the offsets in the conversation of some candidates, by their places among the candidates.
Window = Sequence[tuple[int, int]]


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

    Signals are columns, because an answer needs the rows of few candidates.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        windows: Iterable[Window],
        *,
        signals: Signals,
        span: Span | None,
    ) -> None:
        lent, contexts = _lent(candidates, windows)
        self._candidates, self._signals = candidates, signals
        self._lent = [signals.lexical_context * more for more in lent]
        self._words = _shares_of_best(
            [each.own_bm25 + more for each, more in zip(candidates, self._lent, strict=True)]
        )
        self._vectors = min_max([each.cosine for each in candidates])
        self._contexts = min_max(contexts)
        self._any_word = any(self._words)
        self._times = [closeness(span, each.created_s) if span else 0.0 for each in candidates]
        bases = self._bases()
        self._sessions = _best_of_sessions(candidates, bases)
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
            speaker=float(self._candidates[place].by_named_speaker),
            time=self._times[place],
            session=self._sessions[place],
        )

    def _bases(self) -> list[float]:
        """Everything but the session, which is made of these."""
        columns = zip(self._candidates, self._words, self._vectors, self._contexts, self._times, strict=True)
        return [
            share[0] * word
            + share[1] * (vector or 0.0)
            + share[2] * (context or 0.0)
            + self._signals.speaker * each.by_named_speaker
            + self._signals.time * time
            for each, word, vector, context, time in columns
            for share in (self._shares(vector),)
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


def _lent(
    candidates: Sequence[Candidate], windows: Iterable[Window]
) -> tuple[list[float], list[float | None]]:
    """Per candidate the BM25 that short enough neighbours lend it, and the mean of its and their cosines.

    Any two turns of a window know their distance, so that a seed's neighbours lend to each other too; two that meet in
    several windows lend once.
    """
    words = [0.0] * len(candidates)
    more = [0.0] * len(candidates)
    met = set()
    for window in windows:
        for (place, n), (other_place, m) in combinations(window, 2):
            offset = other_place - place
            if offset not in LENT_WORDS or (n, m) in met:
                continue
            met |= {(n, m), (m, n)}
            one, other = candidates[n], candidates[m]
            if one.word_count + other.word_count > CONTEXT_WORDS:
                continue
            words[n] += LENT_WORDS[offset] * other.own_bm25
            words[m] += LENT_WORDS[-offset] * one.own_bm25
            if one.cosine is not None and other.cosine is not None:
                # Its own cosine stands in for a neighbour that is not there or has no vector.
                more[n] += LENT_COSINE[offset] * (other.cosine - one.cosine)
                more[m] += LENT_COSINE[-offset] * (one.cosine - other.cosine)
    cosines = [
        None if each.cosine is None else each.cosine + lent / _COSINES
        for each, lent in zip(candidates, more, strict=True)
    ]
    return words, cosines


def _shares_of_best(values: Sequence[float]) -> list[float]:
    best = max(values, default=0.0)
    return [value / best if best > 0 else 0.0 for value in values]


def _best_of_sessions(candidates: Sequence[Candidate], bases: Sequence[float]) -> list[float]:
    """Per candidate: its session's best short message over the best session's."""
    sessions = _sessions(candidates)
    best = [0.0] * len(candidates)
    for each, session, base in zip(candidates, sessions, bases, strict=True):
        if each.word_count <= CONTEXT_WORDS and base > best[session]:
            best[session] = base
    shares = _shares_of_best(best)
    return [shares[session] for session in sessions]


def _sessions(candidates: Sequence[Candidate]) -> list[int]:
    """Per candidate the number of its session: a conversation's candidates without a gap of more than 6 hours."""
    order = sorted((each.conversation_id, each.created_s, n) for n, each in enumerate(candidates))
    sessions = [0] * len(candidates)
    session, last = 0, ("", 0.0)
    for conversation, created_s, n in order:
        if conversation != last[0] or created_s - last[1] > SESSION_GAP_HOURS * 3600:
            session += bool(n != order[0][2])
        sessions[n], last = session, (conversation, created_s)
    return sessions
