"""An answer that is made while it is sent, as fast as the client reads and no faster.

Granian takes a stream's parts without a bound, so a slow reader of a large export would have all of it in our memory.
It reads files as the client does, though, and a named pipe is one: it holds 64 kB, and ends when the client goes.
"""

import errno
import os
import select
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

SECONDS = 60.0  # that a client may read nothing
OPENING_SECONDS = 10.0  # until granian has the pipe open, which takes it a millisecond


class Gone(Exception):
    """The client, or its patience."""


def send(
    protocol: Any,
    status: int,
    headers: list[tuple[str, str]],
    parts: Iterable[bytes],
    *,
    has_left: Callable[[], bool],
) -> None:
    """Send all parts. Raises Gone when nobody reads them any more.

    `has_left` is asked until reading begins: granian opens nothing for a client that is not there.
    """
    with tempfile.TemporaryDirectory(prefix="answer-") as folder:
        path = Path(folder) / "pipe"
        os.mkfifo(path, 0o600)
        protocol.response_file(status, headers, str(path))
        pipe = _opened(path, has_left)
    try:
        for part in parts:
            _write(pipe, part)
    finally:
        os.close(pipe)


def _opened(path: Path, has_left: Callable[[], bool]) -> int:
    """The end to write into, once granian has the other one open."""
    until = time.monotonic() + OPENING_SECONDS
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO or time.monotonic() > until or has_left():
                raise Gone from error
        time.sleep(0.001)


def _write(pipe: int, part: bytes) -> None:
    rest = memoryview(part)
    while rest:
        _, ready, _ = select.select([], [pipe], [], SECONDS)
        if not ready:
            raise Gone
        try:
            rest = rest[os.write(pipe, rest) :]
        except BlockingIOError:
            continue
        except BrokenPipeError as error:
            raise Gone from error
