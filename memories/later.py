"""What requests leave for a thread of its own, seconds later: for what nobody waits for and nothing depends on.

A process that dies loses what waited in it; one that is stopped calls `finish_all`.
"""

import threading
import time
import weakref
from collections.abc import Callable

import structlog
from django.db import close_old_connections

log = structlog.get_logger(__name__)


_all: "weakref.WeakSet[Later]" = weakref.WeakSet()


class Later:
    """Makes the call some seconds after the first `wake` since the last one.

    Always in the same thread: Django keeps a client of Redis for each.
    """

    def __init__(self, seconds: float, call: Callable[[], object]) -> None:
        self._seconds, self._call = seconds, call
        self._comes = False
        self._woken, self._lock = threading.Event(), threading.Lock()
        self._thread: threading.Thread | None = None
        _all.add(self)

    def wake(self) -> None:
        """Something waits, put there before. Two threads at once may cause two calls, of which one finds nothing."""
        if self._comes and self._is_there():
            return
        self._comes = True
        with self._lock:
            if not self._is_there():
                self._thread = threading.Thread(target=self._go_on, daemon=True)
                self._thread.start()
        self._woken.set()

    def _is_there(self) -> bool:
        """Not before the first time, and not in a child after a fork."""
        return self._thread is not None and self._thread.is_alive()

    def _go_on(self) -> None:
        """It does not keep the process from ending."""
        while self._woken.wait():
            self._woken.clear()
            time.sleep(self._seconds)
            self._make()
            close_old_connections()  # as Django does after a request

    def finish(self) -> None:
        """Make the call now if one is to come."""
        if self._comes:
            self._make()

    def _make(self) -> None:
        self._comes = False  # first: what comes from now on may come too late for this call
        try:
            self._call()
        except Exception as error:  # a thread that ends is missed by nobody
            log.exception("left_undone", error=type(error).__name__)


def finish_all() -> None:
    """At the end of a process that answers requests, after the last one: what was left for later is done now."""
    for each in list(_all):
        each.finish()
