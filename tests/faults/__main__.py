"""`make chaos`: the long fault runs. `python -m tests.faults [messages] [part ...]`.

Parts: provider, redis, worker, erasure, retention (each with its own figures), and kills, crowds, disk, clock, which
together make the table. Without any: all.
"""

import sys
from collections.abc import Callable

from tests.faults import chaos, crowds, erasures, full_disk, runs, wrong_clock
from tests.faults.table import HEAD, Row, line
from tests.stack import running_stack

KILLS = 3


def _provider(count: int) -> None:
    runs.bad_provider(count, fault_share=0.2)
    runs.slow_provider(count, workers=1, latency_seconds=0.05)
    runs.slow_provider(count, workers=4, latency_seconds=0.05)


def _kills(count: int) -> list[Row]:
    with running_stack(MEMORY_EMBEDDING_LEASE_SECONDS="15") as stack:
        rows = [_shown(row) for row in chaos.in_turn(stack, count=count // 20, kills=KILLS)]
        return [*rows, _shown(chaos.at_random(stack, count=count // 2, kills=20))]


def _crowds(count: int) -> list[Row]:
    with running_stack(MEMORY_EMBEDDING_LEASE_SECONDS="15") as stack:
        return [
            _shown(crowds.slow_clients(stack, count=count // 4, seconds=20)),
            _shown(crowds.no_connections(stack, count=count // 4, seconds=20)),
            _shown(crowds.two_beats(stack, count=count // 20, slots=5)),
        ]


def _shown(row: Row) -> Row:
    print(row, flush=True)
    return row


def _disk(count: int) -> list[Row]:
    if full_disk.can_mount():
        return [_shown(full_disk.full_disk(count=count // 4, seconds=10, times=2))]
    print("disk full: left out, a small filesystem cannot be mounted here (it takes root on Linux)")
    return []


def _clock(count: int) -> list[Row]:
    if wrong_clock.can_compile():
        return [_shown(wrong_clock.jumps(count=count // 4))]
    print("clock: left out, there is no C compiler here")
    return []


TABLE: dict[str, Callable[[int], list[Row]]] = {
    "kills": _kills,
    "crowds": _crowds,
    "disk": _disk,
    "clock": _clock,
}
FIGURES: dict[str, Callable[[int], object]] = {
    "provider": _provider,
    "redis": lambda count: runs.redis_kills(count, kills=5),
    "worker": lambda count: runs.worker_kills(count, kills=50),
    "erasure": lambda count: erasures.long_run(count, races=100),
    "retention": lambda count: runs.retention_kills(6 * count, kills=20),
}


def main(words: list[str]) -> int:
    """The exit code: 1 if a bar of the table is not met. A loss in the other runs is an AssertionError."""
    count = int(words.pop(0)) if words and words[0].isdecimal() else 10_000
    parts = words or [*TABLE, *FIGURES]
    rows = [row for name in parts if name in TABLE for row in TABLE[name](count)]
    if rows:
        print("", line(HEAD), *rows, sep="\n", flush=True)
    unmet = [fault for row in rows for fault in row.faults()]
    print(*unmet, sep="\n", flush=True)
    for name in parts:
        if name in FIGURES:
            FIGURES[name](count)
    return 1 if unmet else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
