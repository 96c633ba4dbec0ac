"""What calls used, as the provider reports it: handed to whoever wants to know, past everybody in between."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class Used:
    """Answered calls, and the tokens they reported. Failed calls report nothing, and cost nothing."""

    calls: int = 0
    reported: int = 0
    complete: bool = True

    @property
    def tokens(self) -> int | None:
        """What was reported, or None where an answer did not say."""
        return self.reported if self.calls and self.complete else None


_meter: ContextVar[Used | None] = ContextVar("embedding_usage", default=None)


@contextmanager
def metered() -> Iterator[Used]:
    """Counts the calls made inside, in this thread."""
    used = Used()
    token = _meter.set(used)
    try:
        yield used
    finally:
        _meter.reset(token)


def count(tokens: object) -> None:
    """One answered call, with what it said of its tokens: a stranger's word, so anything but a count is none."""
    used = _meter.get()
    if used is None:
        return
    used.calls += 1
    if isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0:
        used.reported += tokens
    else:
        used.complete = False
