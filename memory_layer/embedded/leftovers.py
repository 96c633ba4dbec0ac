"""What a killed supervisor left behind, waited for before the next start touches the same files.

After a `kill -9` the kernel tells the children to end, which takes them seconds. Two Redis on one
append-only file would ruin it, so the next start waits. A process is known by pid and start time: a pid
alone may have been given to another.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from memory_layer.embedded.errors import EmbeddedError
from memory_layer.embedded.process import Process
from memory_layer.embedded.sockets import PREFIX

PATIENCE_SECONDS = 60


def record(data_dir: Path, processes: Iterable[Process], sockets: Path, urls: Mapping[str, str]) -> None:
    """Note what runs now, and where. Replaced as a whole, so that a reader never sees half of it."""
    children = [
        {
            "name": process.name,
            "pid": process.pid,
            "born": born(process.pid),
            "stop": int(process.stop_signal),
        }
        for process in processes
        if process.pid
    ]
    draft = data_dir / "running.json.new"
    draft.write_text(
        json.dumps({"children": children, "sockets": str(sockets), "urls": dict(urls)}), encoding="utf-8"
    )
    draft.replace(data_dir / "running.json")


def forget(data_dir: Path) -> None:
    """Everything was stopped in order."""
    (data_dir / "running.json").unlink(missing_ok=True)


def clear(data_dir: Path, *, pause: Callable[[float], None], say: Callable[[str], None]) -> None:
    """Wait for the children of a killed run, and remove its socket directory.

    Raises EmbeddedError when its PostgreSQL does not end: that one is never killed.
    """
    try:
        left = json.loads((data_dir / "running.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return
    for child in left["children"]:
        if _lives(child):
            say(f"Waiting for {child['name']} of an earlier run (process {child['pid']}) to end")
            _end(child, pause)
    _remove_sockets(Path(left["sockets"]))
    forget(data_dir)


def born(pid: int | None) -> str:
    """When the process started, in a unit that tells two holders of one pid apart; empty if there is none."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        with contextlib.suppress(OSError):
            # The name, in parentheses, may hold blanks; state is the first word behind it, start the 20th.
            words = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            return "" if words[0] == "Z" else words[19]
    if Path("/proc/self").exists() or not shutil.which("ps"):
        return ""
    return subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()


def _lives(child: dict[str, object]) -> bool:
    return bool(child["born"]) and born(int(str(child["pid"]))) == child["born"]


def _end(child: dict[str, object], pause: Callable[[float], None]) -> None:
    pid = int(str(child["pid"]))
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, int(str(child["stop"])))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _lives(child):
        if time.monotonic() >= deadline:
            if child["name"] == "PostgreSQL":
                raise EmbeddedError(
                    f"PostgreSQL of an earlier run (process {pid}) still runs. Wait, then start again."
                )
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        pause(0.1)


def _remove_sockets(directory: Path) -> None:
    if directory.name.startswith(PREFIX) and directory.is_dir() and directory.stat().st_uid == os.geteuid():
        shutil.rmtree(directory, ignore_errors=True)
