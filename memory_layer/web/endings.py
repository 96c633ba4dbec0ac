"""Ends the coroutines of answered requests when the event loop is awake anyhow.

A thread sends its answer itself: all that is left is the end of the coroutine, for which nobody waits. To wake the loop
for it takes two system calls, and the interpreter from a thread that has work, for each request.
"""

import asyncio
from collections import deque

# So long an answered request may stay, with what it holds, while no other one comes.
SECONDS = 0.05


class Endings:
    """Of one event loop; `tell` alone is for other threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._over: deque[asyncio.Future[None]] = deque()
        self._awaited = 0
        self._looks = False

    def expect(self) -> "asyncio.Future[None]":
        """A future for a request to wait for; `tell` has to be called with it once."""
        self.end()
        self._awaited += 1
        if not self._looks:
            self._looks = True
            self._loop.call_later(SECONDS, self._look)
        return self._loop.create_future()

    def tell(self, future: "asyncio.Future[None]") -> None:
        """Its request is answered. From any thread."""
        self._over.append(future)

    def end(self) -> None:
        """Let those go on that were told of."""
        while self._over:
            future = self._over.popleft()
            self._awaited -= 1
            if not future.done():  # a request may have been given up meanwhile
                future.set_result(None)

    def _look(self) -> None:
        self.end()
        self._looks = self._awaited > 0
        if self._looks:
            self._loop.call_later(SECONDS, self._look)
