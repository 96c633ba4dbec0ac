"""The clock of the machine is set ahead, back, behind and right again, for every process of a stack at once."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.probes import until_well
from tests.faults.table import Row, account
from tests.faults.traffic import Traffic
from tests.stack import running_stack

SOURCE = Path(__file__).with_name("clock.c")
# Hours against the true time, one after the other.
HOURS = (1, 0, -1, 24, 0)


def can_compile() -> bool:
    """The clock is made by a small C library."""
    return shutil.which("cc") is not None


def jumps(*, count: int) -> Row:
    """While messages come in."""
    row = Row(fault="the clock jumps by hours")
    with _clock() as clock, running_stack(MEMORY_EMBEDDING_LEASE_SECONDS="15", **clock.environ) as stack:
        until_well(stack)
        with Traffic(stack, "chaos clock", count, seed=35) as traffic:
            for number, hours in enumerate(HOURS):
                traffic.until(count * (number + 1) // (len(HOURS) + 1))
                clock.set(hours * 3600)
                row.injected += 1
                row.down.append(0.0)
                row.note_recovery(until_well(stack))
        return account(row, stack, traffic)


class Clock:
    """How wrong it is stands in a file, which every process has mapped."""

    def __init__(self, home: Path) -> None:
        self.file, library = home / "offset", home / "clock.so"
        self.set(0)
        command = ["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True)
        self.environ = {"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(self.file)}

    def set(self, seconds: int) -> None:
        """In place: a new file would not be the one that is mapped."""
        if not self.file.exists():
            self.file.touch()
        with self.file.open("r+b") as file:
            file.write(seconds.to_bytes(8, "little", signed=True))


@contextmanager
def _clock() -> Iterator[Clock]:
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)  # PostgreSQL runs as somebody else
        yield Clock(Path(home))
