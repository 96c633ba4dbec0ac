"""How much is stored and searched, by the hour of the last week, and how long searches take: for the dashboard.

A request adds to numbers in its process, some 5 us; a thread brings them to Redis seconds later. What a process that
dies had not brought yet is lost, and all of it with Redis: nothing but charts depends on it. No tenant, and nothing of
what was asked, is in it.
"""

import math
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from memories import caching
from memories.later import Later

HOUR = 3600
HOURS = 7 * 24
# An hour is read for a week; the eighth day is for clocks that do not agree.
KEPT_SECONDS = 8 * 24 * HOUR
FLUSH_SECONDS = 5.0
STORED, SEARCHES, CACHED = "stored", "searches", "cached"
# Times are counted in buckets, each a fifth wider than the one before: a percentile is right to a tenth.
_RATIO = 1.2
_LEAST_MILLISECONDS = 0.1
_BUCKETS = 70

_pending: Counter[tuple[int, str]] = Counter()
_lock = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Hour:
    """What happened from `start` on for an hour. Milliseconds of searches made anew; None: there were none."""

    start: datetime
    stored: int = 0
    searches: int = 0
    cached: int = 0
    median_ms: float | None = None
    slow_ms: float | None = None


def note_stored(messages: int) -> None:
    """So many new messages."""
    _add({STORED: messages})


def note_search(*, seconds: float) -> None:
    """One search that was made anew, and what it took."""
    _add({SEARCHES: 1, f"t{_bucket(seconds * 1000)}": 1})


def note_cached() -> None:
    """One search that was answered from Redis."""
    _add({CACHED: 1})


def flush() -> None:
    """Bring what was counted to Redis. While it is down the numbers wait here, those of the last week at most."""
    with _lock:
        counted = dict(_pending)
        _pending.clear()
    if not counted or caching.with_redis(lambda redis: _written(redis, counted)):
        return
    oldest = _this_hour() - HOURS
    with _lock:
        _pending.update({place: number for place, number in counted.items() if place[0] > oldest})


def last_week() -> list[Hour]:
    """The last HOURS hours, this one included, the oldest first; empty if Redis does not answer. One round trip."""
    now = _this_hour()
    hours = range(now - HOURS + 1, now + 1)
    found = caching.with_redis(lambda redis: _read(redis, hours))
    return [_as_hour(hour, counts) for hour, counts in zip(hours, found or [], strict=bool(found))]


def percentile(counts: Mapping[int, int], share: float) -> float | None:
    """Milliseconds that this share (0 to 1) of the times is not above, from counts by bucket; None: no times."""
    wanted, seen = share * sum(counts.values()), 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= wanted:
            # In the middle of the bucket, as ratios go.
            return _LEAST_MILLISECONDS * float(_RATIO ** (bucket - 0.5))
    return None


def _bucket(milliseconds: float) -> int:
    if milliseconds <= _LEAST_MILLISECONDS:
        return 0
    return min(_BUCKETS, math.ceil(math.log(milliseconds / _LEAST_MILLISECONDS, _RATIO)))


def _add(numbers: Mapping[str, int]) -> None:
    hour = _this_hour()
    with _lock:
        for name, number in numbers.items():
            _pending[hour, name] += number
    _later.wake()


_later = Later(FLUSH_SECONDS, flush)


def _this_hour() -> int:
    return int(time.time()) // HOUR


def _key(hour: int) -> str:
    return caching.key_of(f"activity:{hour}")


def _written(redis: Any, counted: Mapping[tuple[int, str], int]) -> bool:
    pipeline = redis.pipeline()
    for (hour, name), number in counted.items():
        pipeline.hincrby(_key(hour), name, number)
    for hour in {hour for hour, _ in counted}:
        pipeline.expire(_key(hour), KEPT_SECONDS)
    pipeline.execute()
    return True


def _read(redis: Any, hours: Sequence[int]) -> list[dict[str, int]]:
    pipeline = redis.pipeline(transaction=False)
    for hour in hours:
        pipeline.hgetall(_key(hour))
    return [{name.decode(): int(number) for name, number in each.items()} for each in pipeline.execute()]


def _as_hour(hour: int, counts: Mapping[str, int]) -> Hour:
    times = {int(name[1:]): number for name, number in counts.items() if name[0] == "t"}
    return Hour(
        start=datetime.fromtimestamp(hour * HOUR, UTC),
        stored=counts.get(STORED, 0),
        searches=counts.get(SEARCHES, 0),
        cached=counts.get(CACHED, 0),
        median_ms=percentile(times, 0.5),
        slow_ms=percentile(times, 0.95),
    )
