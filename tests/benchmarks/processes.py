"""CPU time of the stack's processes, by group, from /proc: steadier than wall time on a busy machine."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

GROUPS = ("web", "PostgreSQL", "Redis", "worker")
IDLE_SECONDS = 5.0
_TICK = 1 / os.sysconf("SC_CLK_TCK")


class Family(Protocol):
    """A running stack, or another system's processes."""

    def child(self, name: str) -> int | None:
        """The pid of a group's first process."""

    def children_of(self, pid: int | None) -> set[int]:
        """The processes that this one started."""


@dataclass
class Spent:
    """CPU seconds by group within a `with`, less what the group takes when nobody asks."""

    seconds: dict[str, float] = field(default_factory=dict)
    wall_seconds: float = 0.0

    def per(self, count: int) -> str:
        """Milliseconds per item, as text."""
        return ", ".join(f"{name} {1000 * each / count:.2f}" for name, each in self.seconds.items())


def idle_rates(stack: Family, groups: Sequence[str] = GROUPS) -> dict[str, float]:
    """CPU seconds per second that each group takes while nobody asks. Waits for a few seconds."""
    before, started = _used(stack, groups), time.perf_counter()
    time.sleep(IDLE_SECONDS)
    after, seconds = _used(stack, groups), time.perf_counter() - started
    return {name: (after[name] - before[name]) / seconds for name in groups}


@contextmanager
def measured(stack: Family, idle: Mapping[str, float]) -> Iterator[Spent]:
    """What is done in the `with`, per group of `idle`."""
    spent, before, started = Spent(), _used(stack, idle), time.perf_counter()
    yield spent
    after = _used(stack, idle)
    spent.wall_seconds = time.perf_counter() - started
    spent.seconds = {
        name: max(0.0, after[name] - before[name] - idle[name] * spent.wall_seconds) for name in idle
    }


def _used(stack: Family, groups: Iterable[str]) -> dict[str, float]:
    """CPU seconds so far. Ended children count with the parent that has waited for them."""
    return {group: sum(map(_cpu, members(stack, group))) for group in groups}


def members(stack: Family, child: str) -> set[int]:
    """The pids of a group."""
    main = stack.child(child)
    assert main, f"{child} does not run"
    return {main} | stack.children_of(main)


def _cpu(pid: int) -> float:
    """utime and stime, and those of its ended children."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:  # it has ended; its parent has the time now
        return 0.0
    fields = stat.rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) * _TICK
