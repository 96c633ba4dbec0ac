"""THE formula, and its terms. Pure.

Source: our measurements on public and made-up sets of chats (docs/ranking.md, which works an example by hand).
1. The relevance of every candidate: `relevance.py`.
2. The same text counts once. The 50 most relevant are the pool; similarity = relevance, min-max over the pool.
3. score = 0.6 * similarity + 0.3 * importance + 0.1 * decay, decay = 2^(-age / half-life).
4. A hit that says nearly the same as a better one loses half of its similarity term (`REDUNDANCY`).
The 60 must be a relevance normalised within the pool: weighed against raw cosines, whose spread is small,
importance and decay would decide nearly alone.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, cast

from memories.mentioned_time import Span
from memories.relevance import (
    NO_CANDIDATES,
    Candidate,
    Candidates,
    Followers,
    Relevance,
    Relevances,
    Signals,
    Term,
    min_max,
)

POOL_SIZE = 50
REDUNDANCY = 0.5
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


class Hit(NamedTuple):
    """A ranked candidate with the terms of its score, each 0..1."""

    candidate: Candidate
    relevance: Relevance
    similarity: float
    age_days: float
    decay: float
    score: float
    redundant: bool = False  # says nearly the same as a better one
    duplicates: tuple[str, ...] = ()  # ids of messages with the same text, which this one stands for


# A candidate of the pool: its score, creation and id, which sort in the total order of `rank`; its place among the
# candidates, similarity, age in days and decay. A bare tuple: a named one takes five times as long to make.
_Scored = tuple[float, float, str, int, float, float, float]


class Ranked:
    """The pool, best score first, and what was not relevant enough for it. Hits are made when they are asked for."""

    def __init__(
        self,
        candidates: Candidates = NO_CANDIDATES,
        *,
        found: Relevances | None = None,
        weights: Weights | None = None,
        now: datetime | None = None,
        pool_size: int = POOL_SIZE,
    ) -> None:
        self._scored: list[_Scored] = []
        self._beyond: list[int] = []
        self._candidates, self._found = candidates, found
        if found and weights and now:
            self._weights, self._now_s = weights, now.timestamp()
            places, self._copies = _distinct(candidates, found.totals)
            self._scored = self._pool(places[:pool_size])
            self._beyond = places[pool_size:]

    @property
    def hits(self) -> list[Hit]:
        """The whole pool, best first."""
        return self.first(len(self._scored))

    def first(self, count: int) -> list[Hit]:
        """The best hits."""
        return [self._hit(scored) for scored in self._scored[:count]]

    @property
    def beyond(self) -> list[tuple[Relevance, Candidate]]:
        """The candidates beyond the pool, most relevant first."""
        return [(self._found.at(place), self._candidates.at(place)) for place in self._beyond if self._found]

    def _pool(self, places: Sequence[int]) -> list[_Scored]:
        """The score of each, best first."""
        weights, totals, known = self._weights, cast(Relevances, self._found).totals, self._candidates
        created_s = [known.created_s[n] for n in places]
        importances = [known.importances[n] for n in places]
        similarities = [similarity or 0.0 for similarity in min_max([totals[n] for n in places])]
        ages_days = _ages_days(created_s, self._now_s)
        decays = _decays(ages_days, weights.half_life_days)
        scores = [
            weights.similarity * similarity + weights.importance * importance + weights.decay * fresh
            for similarity, importance, fresh in zip(similarities, importances, decays, strict=True)
        ]
        ids = [known.ids[n] for n in places]
        pool = zip(scores, created_s, ids, places, similarities, ages_days, decays, strict=True)
        return sorted(pool, reverse=True)

    def _hit(self, scored: _Scored) -> Hit:
        score, _, _, place, similarity, age_days, fresh = scored
        candidate = self._candidates.at(place)
        return Hit(
            candidate=candidate,
            relevance=cast(Relevances, self._found).at(place),
            similarity=similarity,
            age_days=age_days,
            decay=fresh,
            score=score,
            duplicates=tuple(self._copies.get(candidate.fingerprint, ())),
        )


def rank(
    candidates: Candidates,
    *,
    weights: Weights,
    now: datetime,
    followers: Followers | None = None,
    signals: Signals | None = None,
    span: Span | None = None,
    pool_size: int = POOL_SIZE,
) -> Ranked:
    """The pool, best score first, and the rest. Ties go to the newer, then to the greater id: a total order.

    `followers`: who comes after whom; `span`: the time that the query mentions.
    """
    found = Relevances(candidates, followers or {}, signals=signals or Signals(), span=span)
    return Ranked(candidates, found=found, weights=weights.normalised(), now=now, pool_size=pool_size)


def in_order(hits: Iterable[Hit]) -> list[Hit]:
    """Best score first, in the total order of `rank`."""
    return sorted(hits, key=lambda hit: (hit.score, hit.candidate.created_s, hit.candidate.id), reverse=True)


def demoted(hit: Hit, *, weights: Weights) -> Hit:
    """The hit as one that says nearly the same as a better one."""
    lost = REDUNDANCY * weights.normalised().similarity * hit.similarity
    return hit._replace(score=hit.score - lost, redundant=True)


def terms(hit: Hit, *, weights: Weights) -> dict[str, Term]:
    """The terms of the score: weight times value, added up, is the hit's score."""
    weights = weights.normalised()
    return {
        "similarity": Term(weights.similarity, hit.similarity),
        "importance": Term(weights.importance, hit.candidate.importance),
        "decay": Term(weights.decay, hit.decay),
        "redundancy": Term(-REDUNDANCY * weights.similarity, hit.similarity if hit.redundant else 0.0),
    }


def decay(*, age_days: float, half_life_days: float) -> float:
    """2^(-age / half-life): 1 for now, 0.5 after one half-life."""
    return _decays([age_days], half_life_days)[0]


def _decays(ages_days: Iterable[float], half_life_days: float) -> list[float]:
    return [2.0 ** (-age_days / half_life_days) for age_days in ages_days]


def _ages_days(created_s: Iterable[float], now_s: float) -> list[float]:
    """A message from the future (a client's clock that runs ahead) is as fresh as one of now."""
    return [max(0.0, (now_s - at) / SECONDS_PER_DAY) for at in created_s]


def _distinct(known: Candidates, totals: Sequence[float]) -> tuple[list[int], dict[int, list[str]]]:
    """Places, most relevant first, one for each text; and by fingerprint the ids of its other messages.

    Of the same text the more relevant, more important, newer one stands for the others.
    """
    places = range(len(known))
    order = sorted(
        zip(totals, known.importances, known.created_s, known.ids, places, strict=True), reverse=True
    )
    kept: dict[int, int] = {}
    copies: dict[int, list[str]] = {}
    fingerprints = known.fingerprints
    for _, _, _, message_id, n in order:
        fingerprint = fingerprints[n]
        if kept.setdefault(fingerprint, n) != n:
            copies.setdefault(fingerprint, []).append(message_id)
    return list(kept.values()), copies
