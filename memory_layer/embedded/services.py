"""The commands of the services, as `python -m`: the scripts' first lines break on a space in the path."""

import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from memory_layer.embedded.data_dir import PROJECT_ROOT
from memory_layer.embedded.process import Process

QUEUES = "embed,retention,default"
_CELERY = ("-m", "celery", "--quiet", "-A", "memory_layer")


def manage(environ: Mapping[str, str], logs: Path, *words: str) -> Process:
    """A management command."""
    return _python(f"manage.py {words[0]}", logs / f"{words[0]}.log", environ, "manage.py", *words)


def web(environ: Mapping[str, str], logs: Path, host: str, port: int) -> Process:
    """The web server, memory_layer/web."""
    words = ("-m", "memory_layer.web", "--host", host, "--port", str(port))
    return _python("web", logs / "web.log", environ, *words)


def worker(environ: Mapping[str, str], logs: Path) -> Process:
    """One Celery worker for all queues, with the processes that its settings say; gossip and mingle are for many."""
    options = ("--queues", QUEUES, "--without-gossip", "--without-mingle")
    process = _python("worker", logs / "worker.log", environ, *_CELERY, "worker", *options)
    # When we are killed, PostgreSQL and Redis end at once: its tasks could store nothing, and its own shutdown
    # waits for the longest of them (SIGTERM) or hangs without a broker (SIGQUIT). Unfinished jobs are claimed
    # again, and the pool's processes have asked the kernel to end with their master.
    process.orphan_signal = signal.SIGKILL
    return process


def beat(environ: Mapping[str, str], logs: Path) -> Process:
    """The schedule. No pid file: one left by a killed beat would stop the next."""
    return _python("beat", logs / "beat.log", environ, *_CELERY, "beat", "--pidfile=")


def _python(name: str, log: Path, environ: Mapping[str, str], *words: str) -> Process:
    return Process(name=name, command=[sys.executable, *words], log=log, cwd=PROJECT_ROOT, environ=environ)
