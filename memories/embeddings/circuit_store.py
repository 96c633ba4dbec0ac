"""Where circuits are kept: in Redis, one for all processes; without Redis, one for each process."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, NamedTuple

import redis
import structlog
from django.conf import settings

from memories.embeddings.circuit import LONGEST_SECONDS, Circuit

log = structlog.get_logger(__name__)

# Longer than any circuit stays open; failures further apart than this are not in a row.
KEPT_SECONDS = 2 * int(LONGEST_SECONDS)
# After a failure Redis is left alone for this long: a hanging Redis must not add its time-out to every call.
QUIET_SECONDS = 5.0
REDIS_TIMEOUT_SECONDS = 1.0

Step = Callable[[Circuit, float], Circuit]


class Changed(NamedTuple):
    """A circuit before and after a step, and when that was (epoch seconds, Redis's clock)."""

    before: Circuit
    after: Circuit
    now: float


@dataclass
class _Alone:
    """This process's own circuits, and when (monotonic seconds) it may ask Redis again."""

    circuits: dict[str, Circuit] = field(default_factory=dict)
    quiet_until: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


_alone = _Alone()


def change(name: str, step: Step) -> Changed:
    """Take one step, atomically: of two at the same time, the second sees what the first left."""
    if not is_alone():
        try:
            return _in_redis(name, step)
        except redis.RedisError as error:
            _alone.quiet_until = time.monotonic() + QUIET_SECONDS
            log.warning("breaker_alone", error=type(error).__name__)
    return _in_process(name, step)


def key_of(name: str) -> str:
    """Where Redis has the circuit; it has none of one that is closed after no failure."""
    return f"memory:breaker:{name}"


def is_alone() -> bool:
    """Whether this process goes by its own circuits just now."""
    return time.monotonic() < _alone.quiet_until


def _in_redis(name: str, step: Step) -> Changed:
    """A step that changes nothing, as all do while a provider is well, is one look and one round trip.

    Else WATCH ... MULTI: if the key changes in between, redis-py begins again. Four round trips.
    """
    key = key_of(name)
    # Any: redis-py's types know nothing of value_from_callable, nor of what a pipeline gives.
    client: Any = _client(settings.ENV.redis_url)
    clock, stored = client.pipeline(transaction=False).time().get(key).execute()
    seen = _stepped(clock, stored, step)
    if seen.after == seen.before:
        return seen

    def transact(pipe: Any) -> Changed:
        changed = _stepped(pipe.time(), pipe.get(key), step)
        if changed.after != changed.before:
            pipe.multi()
            pipe.set(key, json.dumps(asdict(changed.after)), ex=KEPT_SECONDS)
        return changed

    changed: Changed = client.transaction(transact, key, value_from_callable=True)
    return changed


def _stepped(clock: tuple[int, int], stored: bytes | None, step: Step) -> Changed:
    """By Redis's clock."""
    now = clock[0] + clock[1] / 1e6
    before = _read(stored)
    return Changed(before, step(before, now), now)


def _in_process(name: str, step: Step) -> Changed:
    now = time.time()
    with _alone.lock:
        before = _alone.circuits.get(name, Circuit())
        after = _alone.circuits[name] = step(before, now)
    return Changed(before, after, now)


def _read(stored: bytes | None) -> Circuit:
    """What cannot be read, as after an upgrade, is a closed circuit."""
    try:
        return Circuit(**json.loads(stored)) if stored else Circuit()
    except (TypeError, ValueError):
        return Circuit()


@cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url, socket_timeout=REDIS_TIMEOUT_SECONDS, socket_connect_timeout=REDIS_TIMEOUT_SECONDS
    )
