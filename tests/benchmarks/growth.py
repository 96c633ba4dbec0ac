"""Whether something grows for as long as a run lasts. Pure.

What a process fills once (caches, pools, buffers) rises early and stays; a leak rises until the end. So only the second
half of the samples counts, by the line through them, whose slope is the median of the slopes between all pairs (Theil
and Sen): a spike, or a process that was replaced, moves it little. It grows if that line rises by more than the noise
of such samples and faster than the allowance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Allowance:
    """In the series' unit: how fast it may rise, and the rise that is no sign of anything in a short run."""

    per_hour: float
    noise: float


@dataclass(frozen=True)
class Trend:
    """First and last value, the slope of the second half, and whether that is growth."""

    first: float
    last: float
    per_hour: float
    grows: bool


def trend(samples: Sequence[tuple[float, float]], allowance: Allowance) -> Trend:
    """Of samples (seconds, value) in order of time; at least four are needed."""
    half = samples[len(samples) // 2 :]
    if len(half) < 2:
        raise ValueError("fewer than four samples show no trend")
    slope = median(
        (late - early) / (after - before) for (before, early), (after, late) in combinations(half, 2)
    )
    rise = slope * (half[-1][0] - half[0][0])
    per_hour = slope * SECONDS_PER_HOUR
    grows = rise > allowance.noise and per_hour > allowance.per_hour
    return Trend(samples[0][1], samples[-1][1], per_hour, grows)
