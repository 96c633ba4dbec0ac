"""Gunicorn's settings; the supervisor adds the address. Read by gunicorn as a file, names are its own."""

import os
from typing import Any

from prometheus_client import multiprocess

worker_class = "gthread"
workers = int(os.environ.get("MEMORY_WEB_WORKERS") or 2)
threads = int(os.environ.get("MEMORY_WEB_THREADS") or 4)
timeout = 60
graceful_timeout = 20
keepalive = 5
# A slow leak in any library ends with its process; the jitter keeps workers from leaving at the same time.
max_requests = 20_000
max_requests_jitter = 2_000
# It would write below $HOME, which may be read-only, and nobody here uses it.
control_socket_disable = True
accesslog = None  # our middleware logs requests


def child_exit(_server: Any, worker: Any) -> None:
    """Let the gauges of a dead worker go."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
