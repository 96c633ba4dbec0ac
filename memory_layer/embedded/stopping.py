"""Signals that ask for the end: Ctrl-C, SIGTERM, and SIGHUP of a closed terminal.

Handlers only count. Raising from a handler could lose a child between fork and its entry in our books.
"""

import signal
import time
from types import FrameType

from memory_layer.embedded.errors import StopRequested

_SLICE_SECONDS = 0.1


class StopSignals:
    """Counts requests to stop; the second one means hurry."""

    def __init__(self) -> None:
        self.requests = 0

    def install(self) -> None:
        """Listen. Under nohup a hang-up stays ignored."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._count)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._count)

    def pause(self, seconds: float) -> None:
        """Sleep; raises StopRequested when a request has come."""
        deadline = time.monotonic() + seconds
        while True:
            if self.requests:
                raise StopRequested
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, _SLICE_SECONDS))

    def hurried(self) -> bool:
        """Whether a second request has come."""
        return self.requests > 1

    def _count(self, _number: int, _frame: FrameType | None) -> None:
        self.requests += 1
