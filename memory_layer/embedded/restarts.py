"""A child that died is started again: at once it may die again, so the waits double."""

from collections.abc import Callable
from dataclasses import dataclass

from memory_layer.embedded.process import Process

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0
# Having lived this long it is well again, and its next death starts with the short wait.
WELL_AFTER_SECONDS = 60.0


@dataclass
class Watch:
    """One process and the wait before its next start. Times are monotonic seconds."""

    process: Process
    wait_seconds: float = FIRST_WAIT_SECONDS
    start_at: float | None = None
    started_at: float = 0

    def look(self, now: float, say: Callable[[str], None]) -> bool:
        """See whether it lives, and start it when its wait is over; answers whether it was started."""
        if self.process.running():
            return False
        if self.start_at is None:
            self._plan(now, say)
            return False
        if now < self.start_at:
            return False
        try:
            self.process.start()
        except OSError as error:  # a full disk, no more processes: neither must end those that run
            self.started_at = now
            self._plan(now, say, f"could not start ({error.strerror})")
            return False
        self.start_at, self.started_at = None, now
        return True

    def _plan(self, now: float, say: Callable[[str], None], what: str = "ended") -> None:
        if now - self.started_at >= WELL_AFTER_SECONDS:
            self.wait_seconds = FIRST_WAIT_SECONDS
        name, log = self.process.name, self.process.log
        say(f"{name} {what}; it starts again in {self.wait_seconds:.0f} s. Log: {log}")
        self.start_at = now + self.wait_seconds
        self.wait_seconds = min(2 * self.wait_seconds, LONGEST_WAIT_SECONDS)
