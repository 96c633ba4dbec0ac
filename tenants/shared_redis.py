"""Redis, asked so that its failure costs time once and not at every request."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

_T = TypeVar("_T")

# After a failure Redis is left alone for this long: a hanging Redis must not add its time-out to every request.
QUIET_SECONDS = 5.0


@dataclass
class _Outage:
    """When this process may ask Redis again (monotonic seconds). A lost update only asks once too often."""

    until: float = 0.0


_outage = _Outage()


def ask(call: Callable[[], _T]) -> _T | None:
    """What the call says; None if Redis does not answer, or did not within the last QUIET_SECONDS."""
    if is_quiet():
        return None
    try:
        return call()
    except RedisError as error:
        _outage.until = time.monotonic() + QUIET_SECONDS
        log.warning("redis_unavailable", error=type(error).__name__)
        return None


def forget_outage() -> None:
    """Ask again at once."""
    _outage.until = 0.0


def is_quiet() -> bool:
    """Whether Redis is being left alone just now."""
    return time.monotonic() < _outage.until
