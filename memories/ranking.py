"""THE formula, and its terms. Pure.

Source: our measurements on three public sets of chats (docs/ranking.md, which works an example by hand).
1. Relevance of a candidate: 0.4 * lexical + 0.6 * vector, + 0.3 if it is by the one person that the query names.
   lexical = (own BM25 + context BM25) / the best of the candidates; vector = cosine, min-max over the candidates.
   A candidate without a vector yet is judged by its words alone.
2. The 50 most relevant are the pool; similarity = relevance, min-max over the pool.
3. score = 0.6 * similarity + 0.3 * importance + 0.1 * decay, decay = 2^(-age / half-life).
The 60 must be a relevance normalised within the pool: weighed against raw cosines, whose spread is small,
importance and decay would decide nearly alone.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

LEXICAL_SHARE = 0.4
VECTOR_SHARE = 0.6
SPEAKER_BONUS = 0.3
POOL_SIZE = 50
SECONDS_PER_DAY = 86400.0


@dataclass(frozen=True, kw_only=True)
class Weights:
    """The three weights of the score, brought to a sum of 1, and the half-life of the decay in days."""

    similarity: float
    importance: float
    decay: float
    half_life_days: float

    def __post_init__(self) -> None:
        if min(self.similarity, self.importance, self.decay) < 0 or self.half_life_days <= 0:
            raise ValueError("weights must not be negative, and the half-life must be positive")
        if self.similarity + self.importance + self.decay <= 0:
            raise ValueError("at least one weight must be positive")

    def normalised(self) -> "Weights":
        """The same proportions with a sum of 1, so that scores stay between 0 and 1."""
        total = self.similarity + self.importance + self.decay
        if math.isclose(total, 1.0):
            return self
        return Weights(
            similarity=self.similarity / total,
            importance=self.importance / total,
            decay=self.decay / total,
            half_life_days=self.half_life_days,
        )


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What the database knows of a message that may be in the answer."""

    id: UUID
    importance: float  # 0..1
    created_at: datetime
    cosine: float | None = None  # -1..1; None: no vector yet, or not asked for
    own_bm25: float = 0.0  # of its own words, >= 0
    context_bm25: float = 0.0  # lent by its neighbours, >= 0
    by_named_speaker: bool = False


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A ranked candidate with every term of its score; all terms lie between 0 and 1 (relevance up to 1.3)."""

    candidate: Candidate
    lexical: float
    vector: float | None
    relevance: float
    similarity: float
    age_days: float
    decay: float
    score: float


def rank(
    candidates: Sequence[Candidate], *, weights: Weights, now: datetime, top_k: int = POOL_SIZE
) -> list[Hit]:
    """The best `top_k` of the pool, best score first. Ties go to the newer, then to the greater id: a total order.

    The pool grows with a `top_k` beyond it, so that an answer is full whenever there are enough candidates.
    """
    weights = weights.normalised()
    pool = sorted(_relevances(candidates), key=lambda row: (-row[0], row[1].id))[: max(POOL_SIZE, top_k)]
    low, span = _range(relevance for relevance, *_ in pool)
    hits = [
        _hit(
            candidate,
            relevance,
            lexical,
            vector,
            similarity=_place(relevance, low, span),
            weights=weights,
            now=now,
        )
        for relevance, candidate, lexical, vector in pool
    ]
    hits.sort(key=lambda hit: (hit.score, hit.candidate.created_at, hit.candidate.id), reverse=True)
    return hits[:top_k]


def decay(*, age_days: float, half_life_days: float) -> float:
    """2^(-age / half-life): 1 for now, 0.5 after one half-life."""
    return float(2.0 ** (-age_days / half_life_days))


def _relevances(candidates: Sequence[Candidate]) -> Iterable[tuple[float, Candidate, float, float | None]]:
    best = max((each.own_bm25 + each.context_bm25 for each in candidates), default=0.0)
    low, span = _range(each.cosine for each in candidates if each.cosine is not None)
    any_vector = any(each.cosine is not None for each in candidates)
    for each in candidates:
        lexical = (each.own_bm25 + each.context_bm25) / best if best > 0 else 0.0
        vector = _place(each.cosine, low, span) if each.cosine is not None else None
        bonus = SPEAKER_BONUS if each.by_named_speaker else 0.0
        yield _blend(lexical, vector, any_vector=any_vector, any_word=best > 0) + bonus, each, lexical, vector


def _blend(lexical: float, vector: float | None, *, any_vector: bool, any_word: bool) -> float:
    if vector is None or not any_vector:
        return lexical
    return LEXICAL_SHARE * lexical + VECTOR_SHARE * vector if any_word else vector


def _hit(
    candidate: Candidate,
    relevance: float,
    lexical: float,
    vector: float | None,
    *,
    similarity: float,
    weights: Weights,
    now: datetime,
) -> Hit:
    # A message from the future (a client's clock that runs ahead) is as fresh as one of now.
    age_days = max(0.0, (now - candidate.created_at).total_seconds() / SECONDS_PER_DAY)
    fading = decay(age_days=age_days, half_life_days=weights.half_life_days)
    score = (
        weights.similarity * similarity + weights.importance * candidate.importance + weights.decay * fading
    )
    return Hit(
        candidate=candidate,
        lexical=lexical,
        vector=vector,
        relevance=relevance,
        similarity=similarity,
        age_days=age_days,
        decay=fading,
        score=score,
    )


def _range(values: Iterable[float]) -> tuple[float, float]:
    known = list(values)
    return (min(known), max(known) - min(known)) if known else (0.0, 0.0)


def _place(value: float, low: float, span: float) -> float:
    """Where a value lies in its range, 0..1; in a range of one value everything is the best."""
    return (value - low) / span if span > 0 else 1.0
