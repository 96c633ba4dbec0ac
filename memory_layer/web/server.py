"""Granian as we need it: one listening socket for all worker processes, our log format, HTTP/1.1 only.

SIGTERM stops: requests under way are answered, for at most STOP_SECONDS. SIGHUP replaces the workers one by one. A
worker that dies is replaced; one that dies again within seconds ends the server, for its supervisor to start anew.
"""

import argparse
import gc
import logging
import os
import signal
import socket
import sys
from functools import partial
from importlib import import_module
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.net import SocketHolder  # type: ignore[attr-defined]
from granian.server.mp import MPServer

from memory_layer import env as environment
from memory_layer.logging import logging_config

BACKLOG = 1024
# Of each process; a connection more waits in the backlog. Most are kept alive and do nothing.
CONNECTIONS = 1000
HEADER_MILLISECONDS = 10_000  # also how long a kept-alive connection may say nothing
HEADER_BYTES = 64 * 1024
STOP_SECONDS = 20
# A slow leak in any library ends with its process. Not by memory: a model folder may take any amount of it.
LIFETIME_SECONDS = 12 * 60 * 60


class Server(MPServer):
    """Workers that take connections from one queue.

    Granian gives each worker a socket of its own (SO_REUSEPORT): connections that wait for a worker are reset when
    it is replaced, and a second server on the same port would silently get half of them.
    """

    def __init__(self, listener: socket.socket, **options: Any) -> None:
        super().__init__("memory_layer.web.worker", *listener.getsockname()[:2], **options)
        self._listener = listener

    def _init_shared_socket(self) -> None:
        descriptor = self._listener.fileno()
        arguments = (descriptor, False, BACKLOG)[: 3 if sys.platform.startswith("linux") else 2]
        self._shd = SocketHolder(*arguments)  # type: ignore[assignment]
        self._sfd, self._sso = descriptor, self._listener  # type: ignore[assignment]


def main() -> None:
    """Serve until a signal says to stop."""
    parser = argparse.ArgumentParser(prog="python -m memory_layer.web", description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", required=True, type=int)
    parsed = parser.parse_args()
    env = environment.load()
    listener = _listening(parsed.host, parsed.port)
    server = Server(
        listener,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=env.web_workers,
        backpressure=CONNECTIONS,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_MILLISECONDS, max_buffer_size=HEADER_BYTES),
        log_level=LogLevels.info,
        log_dictconfig=_logging(env),
        respawn_failed_workers=True,
        workers_lifetime=LIFETIME_SECONDS,
        workers_kill_timeout=STOP_SECONDS,
    )
    # Else the garbage collector of each worker would write into every page that it has in common with this process.
    gc.collect()
    gc.freeze()
    _let_new_workers_be_stopped()
    server.serve(target_loader=partial(_gateway, listener.fileno()))


def _let_new_workers_be_stopped() -> None:
    """Have SIGTERM end a worker from its fork until it serves; then it stops in its own way.

    It would have this process's handlers until then and go on, to be killed after STOP_SECONDS. And Python forgets what
    came right after a fork: so the kernel holds the signal back until the child has its handler.
    """
    hold = partial(signal.pthread_sigmask, signal.SIG_BLOCK, [signal.SIGTERM])
    let_go = partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, [signal.SIGTERM])

    def end_by_it() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        let_go()

    os.register_at_fork(before=hold, after_in_parent=let_go, after_in_child=end_by_it)


def _listening(host: str, port: int) -> socket.socket:
    """The socket of all workers. Raises SystemExit with a sentence when there can be none."""
    address = host.strip("[]")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listener = socket.create_server((address, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SystemExit(f"Cannot listen on {host}:{port}: {error.strerror}") from error
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted ones inherit it
    return listener


def _gateway(listener: int, module: str) -> Any:
    """In a worker process, which has the listening socket under the same number: what it is to serve."""
    return import_module(module).gateway(listener)


def _logging(env: environment.Env) -> dict[str, Any]:
    config = logging_config(level=env.log_level, output=env.log_format)
    config["filters"] = {"no_reset": {"()": NoReset}}
    config["loggers"]["_granian"] = {"filters": ["no_reset"]}
    return config


class NoReset(logging.Filter):
    """Drops a warning that holds for sockets of each worker only."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to let it pass."""
        return "tcp_migrate_req" not in str(record.msg)
