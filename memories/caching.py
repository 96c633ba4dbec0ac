"""Every cache key, its lifetime and what makes it stale. Redis down is never an error here: it costs time only."""

import hashlib
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog
from django.core.cache import cache
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

_T = TypeVar("_T")

TENANT_SIZE_SECONDS = 60
# The same text in the same space has the same vector for good: nothing makes it stale, the lifetime only bounds what
# Redis holds. A vector takes 4 bytes a dimension: a million different queries a day are 1 GB at 256 dimensions.
QUERY_VECTOR_SECONDS = 24 * 60 * 60
HINT_SECONDS = 5
PULSE_SECONDS = 300
# After a failure Redis is left alone for this long: a hanging Redis must not add its time-out to every request.
QUIET_SECONDS = 5.0


@dataclass
class _Outage:
    """When this process may ask Redis again (monotonic seconds). A lost update only asks once too often."""

    until: float = 0.0


_outage = _Outage()


def remembered_tenant_size(tenant_id: int, compute: Callable[[], tuple[int, float]]) -> tuple[int, float]:
    """Message count and mean words of a tenant, up to a minute old: BM25 needs only their magnitude."""
    key = f"tenant-size:{tenant_id}"
    found = _ask(lambda: cache.get(key))
    if found is not None:
        return int(found[0]), float(found[1])
    size = compute()
    _ask(lambda: cache.set(key, size, TENANT_SIZE_SECONDS))
    return size


def remembered_query_vector(
    *, tenant_id: int, space: tuple[str, str, int], text: str, compute: Callable[[], list[float]]
) -> tuple[list[float], bool]:
    """The text's vector in the space (provider, model, dimensions), and whether it was remembered.

    Raises what `compute` raises, and remembers nothing then.
    """
    key = _query_vector_key(tenant_id, space, text)
    found = _unpacked(_ask(lambda: cache.get(key)), dimensions=space[2])
    if found is not None:
        return found, True
    vector = compute()
    packed = struct.pack(f"<{len(vector)}f", *vector)
    _ask(lambda: cache.set(key, packed, QUERY_VECTOR_SECONDS))
    return vector, False


def first_hint() -> bool:
    """Whether no worker is awake or being woken: one is woken for everything that is due.

    A hint that got lost, or its worker, holds others back for HINT_SECONDS; the sweeper covers even that.
    """
    return bool(_ask(lambda: cache.add("embed-hint", 1, HINT_SECONDS)))


def hold_hint() -> None:
    """A worker is awake: nobody needs to wake one."""
    _ask(lambda: cache.set("embed-hint", 1, HINT_SECONDS))


def drop_hint() -> None:
    """It goes to sleep: from now on a new message needs a new hint."""
    _ask(lambda: cache.delete("embed-hint"))


def record_pulse(now: float) -> None:
    """A worker did something at `now` (epoch seconds)."""
    _ask(lambda: cache.set("worker-pulse", now, PULSE_SECONDS))


def last_pulse() -> float | None:
    """When a worker last did something, epoch seconds; None if unknown."""
    found = _ask(lambda: cache.get("worker-pulse"))
    return None if found is None else float(found)


def _query_vector_key(tenant_id: int, space: tuple[str, str, int], text: str) -> str:
    """Never the text itself: Redis is not where what people ask is kept.

    Each tenant has its own, although the vector would be the same: a fast answer must not tell that another tenant
    asked this. NUL stands in no provider's or model's name, so no two spaces and texts run together.
    """
    named = "\0".join([*map(str, space), text])
    return f"query-vector:{tenant_id}:{hashlib.sha256(named.encode()).hexdigest()}"


def _unpacked(packed: object, *, dimensions: int) -> list[float] | None:
    """None for anything that is no vector of the space: it is computed again, and overwritten."""
    if not isinstance(packed, bytes) or len(packed) != 4 * dimensions:
        return None
    return list(struct.unpack(f"<{dimensions}f", packed))


def _ask(call: Callable[[], _T]) -> _T | None:
    if time.monotonic() < _outage.until:
        return None
    try:
        return call()
    except RedisError as error:
        _outage.until = time.monotonic() + QUIET_SECONDS
        log.warning("cache_unavailable", error=type(error).__name__)
        return None
