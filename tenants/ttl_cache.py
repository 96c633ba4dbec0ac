"""A process's own short memory, for rows that nearly every request asks for and that hardly ever change."""

import threading
from collections.abc import Callable, Hashable
from time import monotonic
from typing import Generic, TypeVar

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


class TtlCache(Generic[_K, _V]):
    """At most `size` values, each for at most `seconds` from the moment its reading began. Safe between threads.

    None is never kept: what is not there yet must be found as soon as it is. The values are shared by all threads, so
    nobody may change them.
    """

    def __init__(self, *, seconds: float, size: int) -> None:
        self.seconds, self.size = seconds, size
        self._entries: dict[_K, tuple[float, _V]] = {}
        self._generation = 0
        self._lock = threading.Lock()

    def remembered(self, key: _K, compute: Callable[[], _V]) -> _V:
        """The value kept for the key, else what `compute` says now. Raises what `compute` raises."""
        now = monotonic()
        until, value = self._entries.get(key, (now, None))
        if value is not None and now < until:
            return value
        generation = self._generation
        fresh = compute()
        if fresh is not None:
            self._keep(key, (now + self.seconds, fresh), generation)
        return fresh

    def forget(self) -> None:
        """All of it, at once; a value that somebody is reading this moment is not kept either."""
        with self._lock:
            self._generation += 1
            self._entries.clear()

    def _keep(self, key: _K, entry: tuple[float, _V], generation: int) -> None:
        with self._lock:
            if generation != self._generation:
                return
            self._entries.pop(key, None)
            while len(self._entries) >= self.size:
                del self._entries[next(iter(self._entries))]  # the one that was read longest ago
            self._entries[key] = entry
