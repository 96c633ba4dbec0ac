"""Cell rate (GCRA) in Redis: all budgets that a request touches, in one script and one round trip, all or none.

Of a budget one number is kept: when, by Redis's clock, it will be full again. A request moves that moment on by the
time in which what it takes grows back, and is refused if the moment would be further off than a whole budget takes to
grow back. Redis runs one script at a time, so no two requests can take the same; of a full budget nothing is kept.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from redis.exceptions import NoScriptError

from tenants import shared_redis

MICROSECONDS_A_MINUTE = 60_000_000
# At a million a minute a unit takes 60 us to grow back; whole microseconds make no count wrong, and such a rate by 1 %.
PER_MINUTE_MAX = 1_000_000

# A moment further off than a full budget takes is one of a smaller rate, or Redis's clock was set back: it is cut.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local due, after, wait = redis.call('MGET', unpack(KEYS)), {}, 0
for i = 1, #KEYS do
    local interval, most = tonumber(ARGV[3 * i - 2]), ARGV[3 * i - 2] * ARGV[3 * i - 1]
    due[i] = math.min(math.max(tonumber(due[i] or 0), now), now + most)
    after[i] = due[i] + interval * ARGV[3 * i]
    wait = math.max(wait, after[i] - now - most)
end
local answer = {wait}
for i = 1, #KEYS do
    local interval, most, full = ARGV[3 * i - 2], ARGV[3 * i - 2] * ARGV[3 * i - 1], due[i]
    if wait == 0 then
        full = after[i]
        redis.call('SET', KEYS[i], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
    end
    answer[2 * i] = math.floor((most - (full - now)) / interval)
    answer[2 * i + 1] = full - now
end
return answer
"""
_SHA = hashlib.sha1(_TAKE.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Budget:
    """So many units at once (`burst`, at least 1), growing back at `per_minute`. `key` names it in Redis."""

    key: str
    per_minute: int
    burst: int

    @property
    def interval(self) -> int:
        """Microseconds in which one unit grows back."""
        return max(1, round(MICROSECONDS_A_MINUTE / self.per_minute))


@dataclass(frozen=True, kw_only=True)
class Left:
    """What is in a budget: whole units, and seconds until it is full."""

    units: int
    seconds_to_full: float


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What is left of each budget, in order. `wait`: 0, or refused and nothing taken: seconds until it could be."""

    wait: float
    left: Sequence[Left]


def left_at(budget: Budget, seconds_to_full: float) -> Left:
    """What is in a budget that will be full in so many seconds."""
    missing = max(0.0, seconds_to_full)
    units = math.floor(budget.burst - missing * 1e6 / budget.interval)
    return Left(units=units, seconds_to_full=missing)


def take(asked: Sequence[tuple[Budget, int]]) -> Taken | None:
    """Take units, at least one and no more than the burst, from each budget, or none from any. None: Redis is down."""
    keys = [cache.make_key(budget.key) for budget, _ in asked]
    numbers = [number for budget, units in asked for number in (budget.interval, budget.burst, units)]
    answer = shared_redis.ask(lambda: _run(keys, numbers))
    if answer is None:
        return None
    rest = zip(answer[1::2], answer[2::2], strict=True)
    return Taken(
        wait=answer[0] / 1e6, left=[Left(units=units, seconds_to_full=full / 1e6) for units, full in rest]
    )


def _run(keys: list[str], numbers: list[int]) -> list[int]:
    """The script by its hash; Redis forgets scripts when it is restarted."""
    client: Any = cache._cache.get_client(None)  # type: ignore[attr-defined]
    try:
        return list(client.evalsha(_SHA, len(keys), *keys, *numbers))
    except NoScriptError:
        return list(client.eval(_TAKE, len(keys), *keys, *numbers))
