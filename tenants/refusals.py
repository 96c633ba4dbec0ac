"""Refusals that a process remembers: who is over its limit is told so again without Redis, database or Django.

A refusal holds until its budget has one unit again, for SECONDS at most: a raised limit counts everywhere as soon as
the other settings of a tenant do, and at once in the process that raised it. What is counted stays exact: nobody is
refused from here whom Redis would let pass, and nobody passes here.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, NamedTuple

SECONDS = 5.0
SIZE = 10_000


class Door(NamedTuple):
    """Requests that take one unit of the same budget: all GETs of a tenant's key, or one operation of a key.

    A tenant's own key leaves `path` empty for GET, and `tenant` always: it has no other tenant to name.
    """

    key: bytes  # SHA-256 of the whole key
    method: str
    path: str = ""
    tenant: str = ""


@dataclass
class Refusal:
    """One request that was refused. Moments are monotonic seconds; `states` is `RateLimit` as it is then."""

    door: Door
    budget: str
    passes_at: float
    asked_at: float
    states: Callable[[float], str]
    answer: Any = field(default=None, repr=False)  # whatever the server keeps to say it again
    repeated: int = 0

    @property
    def holds_until(self) -> float:
        """From then on Redis is asked."""
        return min(self.passes_at, self.asked_at + SECONDS)

    def headers(self, now: float) -> dict[str, str]:
        """Those that change with time."""
        return {
            "RateLimit": self.states(now),
            "Retry-After": str(max(1, math.ceil(self.passes_at - now))),
        }


# By key, then by the rest of the door: a caller who is not over any limit costs one look.
_held: dict[bytes, dict[Door, Refusal]] = {}


def hold(refusal: Refusal) -> None:
    """Refuse the same from now on. A crowd of keys makes room by forgetting all: they are counted again, no more."""
    if len(_held) >= SIZE:
        _held.clear()
    of_key = _held.setdefault(refusal.door.key, {})
    if len(of_key) >= SIZE:
        of_key.clear()
    of_key[refusal.door] = refusal


def is_empty() -> bool:
    """Whether nobody is refused: then no key need be digested."""
    return not _held


def holding(key: bytes, method: str, path: str, tenant: Callable[[], str]) -> Refusal | None:
    """What holds for a request. `tenant` tells whom an operator's request names; it is asked only for keys refused."""
    of_key = _held.get(key)
    if of_key is None:
        return None
    doors = (Door(key, method), Door(key, method, path), Door(key, method, path, tenant()))
    found = next((refusal for door in doors if (refusal := of_key.get(door))), None)
    if found is None or monotonic() < found.holds_until:
        return found
    of_key.pop(found.door, None)
    if not of_key:
        _held.pop(key, None)
    return None


def forget() -> None:
    """All of them: a key or a tenant has changed."""
    _held.clear()
