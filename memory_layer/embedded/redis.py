"""A private Redis on a Unix socket: queue hints, cache and rate limits.

The version carried predates fixes to its Lua engine, hence no TCP port and a 0700 directory: for development
and tests only.
"""

import os
from pathlib import Path
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from memory_layer.embedded.binaries import redis_server
from memory_layer.embedded.process import Process

READY_SECONDS = 60


def server(data: Path, socket: Path, log: Path, *, durable: bool) -> Process:
    """The server process, not started yet. A queue must refuse writes when full rather than drop old ones."""
    return Process(
        name="Redis",
        command=[
            str(redis_server()),
            *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
            *("--dir", str(data), "--maxmemory-policy", "noeviction", "--save", "", "--daemonize", "no"),
            *(("--appendonly", "yes", "--appendfsync", "everysec") if durable else ("--appendonly", "no")),
        ],
        log=log,
        cwd=data,
        environ=os.environ | {"LC_ALL": "C"},
        stop_seconds=10,
    )


def url(socket: Path) -> str:
    """What redis-py's from_url takes."""
    return f"unix://{quote(str(socket))}?db=0"


def answers(socket: Path) -> bool:
    """Whether the server has loaded its data and takes commands."""
    once = Retry(NoBackoff(), 0)  # redis-py's own retries would take a second and more
    try:
        with redis.Redis(unix_socket_path=str(socket), socket_timeout=5, retry=once) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
