"""The disk is full: PostgreSQL, Redis and the logs of a stack on a small filesystem, until there is room again."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.faults.parts import all_run
from tests.faults.probes import until_well, wait_for
from tests.faults.table import Row, account
from tests.faults.traffic import Traffic
from tests.stack import stack_in

MEGABYTES = 400


def can_mount() -> bool:
    """A filesystem of a fixed size takes root, on Linux, outside of most containers."""
    if sys.platform != "linux" or os.geteuid():
        return False
    with tempfile.TemporaryDirectory() as place:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], capture_output=True, check=False)
        if mounted.returncode == 0:
            subprocess.run(["umount", place], check=True)
        return mounted.returncode == 0


def full_disk(*, count: int, seconds: float, times: int) -> Row:
    """Fill it to the last byte while messages come in, leave it so for a while, and make room."""
    row = Row(fault=f"disk full for {seconds:.0f} s")
    with _small_disk() as home, stack_in(home, MEMORY_EMBEDDING_LEASE_SECONDS="15") as stack:
        until_well(stack)
        with Traffic(stack, "chaos disk", count, seed=34) as traffic:
            for number in range(times):
                traffic.until(count * (number + 1) // (times + 1))
                ballast = home / "ballast"
                started = time.monotonic()
                _fill(ballast)
                row.injected += 1
                while time.monotonic() < started + seconds:
                    _fill(ballast)  # what was freed meanwhile, by a checkpoint or a killed process
                    time.sleep(0.2)
                ballast.unlink()
                wait_for(lambda: all_run(stack), "all processes")
                row.down.append(time.monotonic() - started)
                row.note_recovery(until_well(stack))
        return account(row, stack, traffic)


def _fill(ballast: Path) -> None:
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while file.write(b"\0" * size):
                    pass


@contextmanager
def _small_disk() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="small disk "))
    options = f"size={MEGABYTES}m,mode=711"  # root's PostgreSQL runs as nobody and must pass
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", home], check=True)
    try:
        yield home
    finally:
        subprocess.run(["umount", home], check=True)
        shutil.rmtree(home)
