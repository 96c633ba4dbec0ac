"""PostgreSQL and Redis for one data directory: started in order, stopped in reverse."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from memory_layer.embedded import postgres, redis
from memory_layer.embedded.account import Account, postgres_account
from memory_layer.embedded.binaries import postgres_bin_for, public_place
from memory_layer.embedded.errors import EmbeddedError
from memory_layer.embedded.process import Process
from memory_layer.embedded.sockets import Sockets, make_sockets

Say = Callable[[str], None]
Pause = Callable[[float], None]


@dataclass
class Servers:
    """What was started. An URL is empty when that server was not asked for."""

    sockets: Sockets
    database_url: str = ""
    redis_url: str = ""
    processes: list[Process] = field(default_factory=list)

    def stop(self, hurried: Callable[[], bool] = lambda: False) -> None:
        """Redis before PostgreSQL, which is never killed in a hurry: it would have to replay its log."""
        for process in reversed(self.processes):
            process.stop(hurried=hurried if process.name == "Redis" else lambda: False)
        self.sockets.remove()


def start_servers(
    data_dir: Path,
    *,
    durable: bool,
    with_postgres: bool = True,
    with_redis: bool = True,
    pause: Pause = time.sleep,
    say: Say = print,
) -> Servers:
    """Start the servers of `data_dir`, which the caller has locked, and wait until they answer.

    Raises EmbeddedError, with nothing left running.
    """
    logs = data_dir / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    account = postgres_account() if with_postgres else None
    servers = Servers(make_sockets(account))
    try:
        if with_postgres:
            _start_postgres(servers, _cluster(data_dir, account, durable=durable, say=say), pause)
        if with_redis:
            _start_redis(servers, data_dir, durable=durable, pause=pause)
    except BaseException:
        servers.stop()
        raise
    return servers


def _start_postgres(servers: Servers, cluster: postgres.Cluster, pause: Pause) -> None:
    directory = servers.sockets.postgres
    cluster.prepare(pause)
    process = cluster.server(directory)
    servers.processes.append(process)
    process.start()
    process.wait_until(lambda: postgres.answers(directory), seconds=postgres.READY_SECONDS, pause=pause)
    postgres.create_database(directory)
    servers.database_url = postgres.url(directory)


def _start_redis(servers: Servers, data_dir: Path, *, durable: bool, pause: Pause) -> None:
    socket = servers.sockets.redis
    data = data_dir / "redis"
    data.mkdir(mode=0o700, exist_ok=True)
    process = redis.server(data, socket, data_dir / "logs" / "redis.log", durable=durable)
    servers.processes.append(process)
    process.start()
    process.wait_until(lambda: redis.answers(socket), seconds=redis.READY_SECONDS, pause=pause)
    servers.redis_url = redis.url(socket)


def _cluster(data_dir: Path, account: Account | None, *, durable: bool, say: Say) -> postgres.Cluster:
    return postgres.Cluster(
        data=cluster_place(data_dir, account, say),
        bin_dir=postgres_bin_for(account),
        log=data_dir / "logs" / "postgres.log",
        account=account,
        durable=durable,
    )


def cluster_place(data_dir: Path, account: Account | None, say: Say) -> Path:
    """`<data>/postgres`, or a public place when PostgreSQL's account cannot enter the data directory.

    Raises EmbeddedError when a cluster lies where the account could enter once and no longer can: starting an
    empty one elsewhere would look like lost data.
    """
    inside = data_dir / "postgres"
    if account is None or account.can_enter(data_dir):
        return inside
    if inside.exists():
        raise EmbeddedError(
            f"{inside} holds the database, but PostgreSQL runs as user id {account.uid} and cannot enter "
            f"{data_dir} or a directory above it. Allow it to pass (chmod o+x), or run as an ordinary user."
        )
    key = hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:16]
    place = public_place() / f"cluster-{key}"
    say(f"PostgreSQL cannot run as root nor enter {data_dir}: its data are in {place}")
    return place
