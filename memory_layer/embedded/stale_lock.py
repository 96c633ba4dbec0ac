"""The lock file of a PostgreSQL that was killed.

PostgreSQL takes any process with the noted number for a living server, be it a zombie that nobody reaps, as in
a container without init, or a stranger that got the number after a reboot. Then it refuses to start. We can
tell: a server and all of its backends have the cluster as their working directory.
"""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_SECONDS = 60


def drop_stale_lock(cluster: Path, pause: Callable[[float], None]) -> None:
    """Remove `postmaster.pid` once nothing works in the cluster. The caller holds the data directory's lock.

    Backends of a killed server end by themselves; a new server beside them would ruin the data, so they are
    waited for. If one stays, the file stays too, and PostgreSQL refuses with its own words.
    """
    lock = cluster / "postmaster.pid"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while lock.exists() and time.monotonic() < deadline:
        if not _can_look():
            return
        if not _at_work_in(cluster.resolve()):
            lock.unlink(missing_ok=True)
        pause(0.1)


def _can_look() -> bool:
    """Only Linux shows working directories; elsewhere PostgreSQL's own judgement has to do."""
    return Path("/proc/self/cwd").exists()


def _at_work_in(directory: Path) -> bool:
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(
            OSError
        ):  # a zombie has none, and another user's process is no server of ours
            if link.readlink() == directory:
                return True
    return False
