"""What a ranked answer is worth, and means over many questions. Pure.

recall@k: share of a question's evidence among the first k; hit@k: whether any is; MRR: mean of 1 / rank of the first
evidence; nDCG@10 with binary gains (Jarvelin and Kekalainen, 2002). All are means over questions, 0..1. Intervals are
the percentile bootstrap over questions (Efron and Tibshirani, 1993), seeded: the same results give the same interval.
"""

import math
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

MEASURES = ("recall@5", "recall@10", "recall@20", "hit@5", "MRR", "nDCG@10")
WITH_INTERVAL = ("recall@5", "recall@10")
RESAMPLES = 1000
SEED = 20


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One question's result; not `answerable`: not counted in the figures of all together."""

    category: str
    answerable: bool
    measures: dict[str, float]
    milliseconds: float


@dataclass(kw_only=True)
class Report:
    """All results, and their means."""

    asked: list[Asked] = field(default_factory=list)
    messages: int = 0

    def categories(self) -> list[str]:
        """Those that occur, in alphabetical order."""
        return sorted({each.category for each in self.asked})

    def of(self, category: str | None) -> list[Asked]:
        """The results of a category; None: of all answerable questions."""
        return [
            each
            for each in self.asked
            if (each.answerable if category is None else each.category == category)
        ]

    def percentile(self, share: float) -> float:
        """Milliseconds of a search, nearest rank."""
        ordered = sorted(each.milliseconds for each in self.asked)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def measure(found: Sequence[str], evidence: Collection[str]) -> dict[str, float]:
    """Every measure of one ranked answer, best first. `evidence` must not be empty."""
    gains = [1.0 if each in evidence else 0.0 for each in found]
    ideal = sum(1 / math.log2(place + 2) for place in range(min(10, len(evidence))))
    first = next((place for place, gain in enumerate(gains) if gain), None)
    return {
        **{f"recall@{k}": sum(gains[:k]) / len(evidence) for k in (5, 10, 20)},
        "hit@5": float(any(gains[:5])),
        "MRR": 0.0 if first is None else 1 / (first + 1),
        "nDCG@10": sum(gain / math.log2(place + 2) for place, gain in enumerate(gains[:10])) / ideal,
    }


def means(asked: Sequence[Asked]) -> dict[str, float]:
    """Mean of every measure; zeros if nothing was asked."""
    return {name: sum(each.measures[name] for each in asked) / max(1, len(asked)) for name in MEASURES}


def interval(asked: Sequence[Asked], measure: str) -> tuple[float, float]:
    """The 95% bootstrap interval of the mean of a measure; (0, 0) if nothing was asked."""
    values = [each.measures[measure] for each in asked]
    if not values:
        return 0.0, 0.0
    chooser = random.Random(SEED)  # noqa: S311 - resampling, no secret
    resampled = sorted(sum(chooser.choices(values, k=len(values))) / len(values) for _ in range(RESAMPLES))
    return resampled[int(0.025 * RESAMPLES)], resampled[int(0.975 * RESAMPLES) - 1]


def table(report: Report) -> list[str]:
    """The measures by category and together, as lines of text; then the intervals of the figures that count most."""
    head = f"{'category':<20}{'questions':>10}" + "".join(f"{name:>11}" for name in MEASURES)
    rows = [_row(category, report.of(category)) for category in report.categories()]
    together = report.of(None)
    bounds = ((name, *interval(together, name)) for name in WITH_INTERVAL)
    intervals = ", ".join(f"{name} {low:.3f} to {high:.3f}" for name, low, high in bounds)
    return [head, *rows, _row("together", together), f"95% intervals together: {intervals}"]


def _row(title: str, asked: Sequence[Asked]) -> str:
    values = means(asked)
    return f"{title:<20}{len(asked):>10}" + "".join(f"{values[name]:>11.3f}" for name in MEASURES)
