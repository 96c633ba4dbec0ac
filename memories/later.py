"""What requests leave for a thread of its own, seconds later: for what nobody waits for and nothing depends on.

A process that dies loses what waited in it.
"""

import threading
from collections.abc import Callable


class Later:
    """Makes the call some seconds after the first `wake` since the last one."""

    def __init__(self, seconds: float, call: Callable[[], object]) -> None:
        self._seconds, self._call, self._comes = seconds, call, False

    def wake(self) -> None:
        """Something waits, put there before. Two threads at once may cause two calls, of which one finds nothing."""
        if not self._comes:
            self._comes = True
            self._start()

    def _start(self) -> None:
        """In a thread that does not keep the process from ending."""
        timer = threading.Timer(self._seconds, self._run)
        timer.daemon = True
        timer.start()

    def _run(self) -> None:
        self._comes = False  # first: what comes from now on may come too late for this call
        self._call()
