"""Servers for tests and one-off commands: a fresh cluster in a temporary directory, gone afterwards."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from memory_layer.embedded.data_dir import locked
from memory_layer.embedded.servers import Servers, start_servers

PREFIX = "ai-memory-throwaway-"
# A directory without a lock may be one that is being made; an older one was left by a killed run.
_ABANDONED_AFTER_SECONDS = 600


@contextlib.contextmanager
def throwaway_servers() -> Iterator[Servers]:
    """PostgreSQL and Redis that forget everything, not even surviving a crash: fsync is off."""
    _sweep()
    data_dir = Path(tempfile.mkdtemp(prefix=PREFIX))
    if os.geteuid() == 0:
        data_dir.chmod(0o711)  # PostgreSQL runs as nobody and must pass through
    try:
        with locked(data_dir):
            servers = start_servers(data_dir, durable=False)
            try:
                yield servers
            finally:
                servers.stop()
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)


def _sweep() -> None:
    """Remove what runs killed with SIGKILL have left; a live one holds its lock."""
    for path in Path(tempfile.gettempdir()).glob(PREFIX + "*"):
        with contextlib.suppress(OSError):
            if (
                path.stat().st_uid == os.geteuid()
                and time.time() - path.stat().st_mtime > _ABANDONED_AFTER_SECONDS
            ):
                with (path / "lock").open("a") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path, ignore_errors=True)
