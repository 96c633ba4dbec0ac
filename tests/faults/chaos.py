"""kill -9 of every part of a whole stack, in turn and at random, while eight clients store and search."""

import random
import time
from collections.abc import Iterator, Sequence

from tests.faults.parts import PARTS
from tests.faults.probes import until_well, wait_for
from tests.faults.table import Row, account
from tests.faults.traffic import Traffic
from tests.stack import Stack


def kill(stack: Stack, fault: str, names: Sequence[str], *, count: int, seed: int = 1) -> Row:
    """Kill these parts, one after the other, evenly over `count` messages; the next one when all is well again."""
    row = Row(fault=fault)
    until_well(stack)
    with Traffic(stack, f"chaos {fault}", count, seed=seed) as traffic:
        for number, name in enumerate(names):
            traffic.until(count * (number + 1) // (len(names) + 1))
            kill_once(stack, name, row)
    return account(row, stack, traffic)


def kill_once(stack: Stack, name: str, row: Row) -> None:
    """Kill one part, and wait until it is back and all is well."""
    started = time.monotonic()
    back = PARTS[name](stack)
    wait_for(back, f"return of {name}")
    row.injected += 1
    row.down.append(time.monotonic() - started)
    row.note_recovery(until_well(stack))


def in_turn(stack: Stack, *, count: int, kills: int) -> Iterator[Row]:
    """Each part by itself, `count` messages each."""
    for seed, name in enumerate(PARTS, start=10):
        yield kill(stack, f"kill -9 {name}", [name] * kills, count=count, seed=seed)


def at_random(stack: Stack, *, count: int, kills: int) -> Row:
    """Any of them, by a seeded die."""
    dice = random.Random(1)
    return kill(stack, "kill -9 at random", dice.choices(list(PARTS), k=kills), count=count, seed=9)
