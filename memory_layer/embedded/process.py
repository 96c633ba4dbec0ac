"""One child process: started in its own session, tied to our life, stopped in order.

- A child gets its own session, so that Ctrl-C in the terminal reaches us alone and we stop things in order.
- On Linux the kernel sends it a signal when the *thread* that spawned it ends: spawn from the main
  thread. Elsewhere there is no such signal, and a `kill -9` of ours leaves children to `leftovers` at the
  next start.
- When a child has ended, the rest of its process group is killed with it: no worker outlives its master.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from memory_layer.embedded.account import Account
from memory_layer.embedded.errors import EmbeddedError

POLL_SECONDS = 0.05
LOG_KEPT_BYTES = 10_000_000
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass
class Process:
    """A command, how to start it and how to stop it."""

    name: str
    command: Sequence[str]
    log: Path
    cwd: Path
    environ: Mapping[str, str]
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals | None = None  # what the kernel sends when we die; None: stop_signal
    stop_seconds: float = 30
    _child: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    _log_begins: int = field(default=0, init=False, repr=False)

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Spawn it, its output appended to the log file."""
        with _open_log(self.log) as log:
            self._log_begins = log.tell()
            self._child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.cwd,
                env=self.environ,
                start_new_session=True,
                preexec_fn=_die_with_parent(self.orphan_signal or self.stop_signal),
                user=self.account.uid if self.account else None,
                group=self.account.gid if self.account else None,
                extra_groups=[] if self.account else None,
            )

    def running(self) -> bool:
        """Whether it lives. When it has just ended, what is left of its process group is killed."""
        if self._child is None:
            return False
        if self._child.poll() is None:
            return True
        self._kill_group()
        self._child = None
        return False

    def ask(self, number: signal.Signals) -> None:
        """Send a signal to the process itself, not to its group: masters stop their own workers."""
        if self.running() and self._child:
            self._child.send_signal(number)

    def stop(self, *, seconds: float | None = None, hurried: Callable[[], bool] = lambda: False) -> None:
        """Ask, wait, then kill the group. `hurried` ends the wait early."""
        deadline = time.monotonic() + (self.stop_seconds if seconds is None else seconds)
        self.ask(self.stop_signal)
        while self.running():
            if hurried() or time.monotonic() >= deadline:
                self.kill()
            time.sleep(POLL_SECONDS)

    def kill(self) -> None:
        """End the process and its group now."""
        if self.running():
            self._kill_group()

    def wait_until(
        self, ready: Callable[[], bool], *, seconds: float, pause: Callable[[float], None]
    ) -> None:
        """Poll `ready` while the process lives.

        Raises EmbeddedError with the log's end when it dies or is not ready after `seconds`.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running():
                raise EmbeddedError(f"{self.name} ended during its start. {self.last_words()}")
            if time.monotonic() >= deadline:
                raise EmbeddedError(f"{self.name} was not ready after {seconds:.0f} s. {self.last_words()}")
            pause(POLL_SECONDS)

    def last_words(self) -> str:
        """The end of the log, for error messages: what this start wrote, nothing of earlier ones."""
        return f"The end of {self.log}:\n{tail(self.log, self._log_begins)}"

    def _kill_group(self) -> None:
        # The group has its leader's pid, and the kernel gives no new process a number that names a group.
        if self._child:
            try:
                os.killpg(self._child.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
                return


def tail(log: Path, begin: int = 0, lines: int = 20) -> str:
    """The last lines of a text file behind byte `begin`, indented."""
    if not log.exists():
        return "  (no log)"
    kept = log.read_bytes()[begin:].decode("utf-8", errors="replace").splitlines()[-lines:]
    return "\n".join(f"  {line}" for line in kept)


def run_to_end(process: Process, *, seconds: float, pause: Callable[[float], None]) -> int:
    """Run a command that ends by itself; answers its exit code. Killed when the wait is broken off.

    Raises EmbeddedError when it takes longer than `seconds`.
    """
    process.start()
    child = process._child
    deadline = time.monotonic() + seconds
    try:
        while process.running():
            if time.monotonic() >= deadline:
                raise EmbeddedError(
                    f"{process.name} took longer than {seconds:.0f} s. {process.last_words()}"
                )
            pause(POLL_SECONDS)
    finally:
        process.stop(seconds=5)
    return child.returncode if child else 1


def _open_log(log: Path) -> BinaryIO:
    """Append; a large old log is put aside first, so that two files of bounded size are kept."""
    if log.exists() and log.stat().st_size > LOG_KEPT_BYTES:
        log.replace(log.with_suffix(".old.log"))
    return log.open("ab")


def _die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """A hook for the forked child. It runs after setuid, which would clear the setting."""
    if _LIBC is None:
        return None
    parent = os.getpid()

    def hook() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # we died between fork and prctl: the signal will never come
            os._exit(1)

    return hook
