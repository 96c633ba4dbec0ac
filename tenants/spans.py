"""Spans of a trace, where traces are kept: `memory_layer.tracing` puts a recorder in. Without one a span is nothing.

Names and attributes say what is done, how much and by whom; never what was said, asked or computed.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

Attribute = str | int | float | bool


class Recorder(Protocol):
    """What `memory_layer.tracing` offers."""

    def span(
        self, name: str, *, calls_out: bool, links: Sequence[str], attributes: dict[str, Attribute]
    ) -> AbstractContextManager[object]:
        """A span around what is done inside, beneath the one that is open; an exception ends it as failed."""

    def task(self, *, name: str, task_id: str, sender: str) -> AbstractContextManager[object]:
        """The span of a task, beneath `sender`, the traceparent of whoever sent it; empty: a trace of its own."""

    def here(self) -> str:
        """The open span as a W3C traceparent; empty if there is none."""

    def fail(self, kind: str) -> None:
        """Mark the open span as failed."""


@dataclass
class _Kept:
    recorder: Recorder | None = None


_kept = _Kept()
_NOTHING = nullcontext()


def record_with(recorder: Recorder | None) -> None:
    """From now on, in this process; None: no more."""
    _kept.recorder = recorder


def span(
    name: str, *, calls_out: bool = False, links: Sequence[str] = (), **attributes: Attribute
) -> AbstractContextManager[object]:
    """Around a piece of work. `calls_out`: it waits for another server; `links`: traceparents it also belongs to."""
    recorder = _kept.recorder
    if recorder is None:
        return _NOTHING
    return recorder.span(name, calls_out=calls_out, links=links, attributes=attributes)


def here() -> str:
    """The open span as a W3C traceparent; empty without one."""
    return "" if _kept.recorder is None else _kept.recorder.here()


def recorder() -> Recorder | None:
    """Who keeps traces, if anybody does."""
    return _kept.recorder
