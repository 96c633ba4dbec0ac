"""Threads that take whole pieces of work, the one that was busy last before the others.

What a thread needs is then still in the processor's caches, and so is what PostgreSQL's process behind its connection
needs: in turns, as a queue hands work out, each thread finds both cold.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Work = TypeVar("Work")


class Threads(Generic[Work]):
    """`count` of them, each calling `do` for one piece of work at a time, and `end` before it ends.

    Work that finds no thread waits, and is taken in the order in which it came. `tell` is called with what is done when
    the thread counts as free again: whoever hears of it and has more to do meets the same thread. Neither may raise.
    """

    def __init__(
        self,
        count: int,
        *,
        do: Callable[[Work], object],
        tell: Callable[[Work], object],
        end: Callable[[], object],
    ) -> None:
        self._do, self._tell, self._end = do, tell, end
        self._lock = threading.Lock()
        # Of each thread, which waits there.
        self._own: list[queue.SimpleQueue[Work | None]] = [queue.SimpleQueue() for _ in range(count)]
        self._idle = list(self._own)
        self._waiting: deque[Work] = deque()
        self._threads = [threading.Thread(target=self._go_on, args=[own], daemon=True) for own in self._own]

    def start(self) -> None:
        """Once."""
        for thread in self._threads:
            thread.start()

    def give(self, work: Work) -> None:
        """Have it done, now or when a thread is free."""
        with self._lock:
            if not self._idle:
                self._waiting.append(work)
                return
            latest = self._idle.pop()
        latest.put(work)

    def has_waiting(self) -> bool:
        """Whether work waits for a thread; it may have found one when this returns."""
        return bool(self._waiting)

    def stop(self, *, seconds: float) -> None:
        """Let each thread end after what waits, and wait so long for each."""
        for own in self._own:
            own.put(None)
        for thread in self._threads:
            thread.join(seconds)

    def _go_on(self, own: "queue.SimpleQueue[Work | None]") -> None:
        while (work := own.get()) is not None:
            while work is not None:
                self._do(work)
                done, work = work, self._next(own)
                self._tell(done)
        self._end()

    def _next(self, own: "queue.SimpleQueue[Work | None]") -> Work | None:
        """What waits longest; if nothing does, the thread is the first to be given work."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._idle.append(own)
            return None
