"""A private PostgreSQL cluster: made once, served on a Unix socket, with the service's role and database.

- `<cluster>` exists only whole: initdb works in `<cluster>.new`, which is renamed. An interrupted one is
  redone.
- The service's role is no superuser, so that row-level security holds for it as in production. `vector` is
  therefore created by the superuser in template1, from where every database gets it, the test databases
  too.
- The builtin C.UTF-8 locale: under LANG=C, libc would neither lower 'É' nor find words that contain it.
"""

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from memory_layer.embedded.account import Account
from memory_layer.embedded.binaries import POSTGRES_MAJOR
from memory_layer.embedded.errors import EmbeddedError
from memory_layer.embedded.process import Process, run_to_end
from memory_layer.embedded.stale_lock import drop_stale_lock

NAME = "memory"
SUPERUSER = "postgres"
# Replaying the log after a crash may take long; a server that lives is waited for.
READY_SECONDS = 120
_LOCALE = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--encoding=UTF8")
_SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "256MB",
    "max_connections": "100",
    "random_page_cost": "1.1",
    "jit": "off",
    # Parallel work shares memory in /dev/shm, of which a container has 64 MB; on two cores it gains nothing.
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    # A search reads vectors from the index alone where vacuum has passed: soon after an import, not a minute later.
    "autovacuum_naptime": "15s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # A statement that fails would be logged with what people said in it, and outlive its erasure.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
_THROW_AWAY = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
}


@dataclass(frozen=True)
class Cluster:
    """Where a cluster lies, which programs serve it and as whom."""

    data: Path
    bin_dir: Path
    log: Path
    account: Account | None
    durable: bool

    def server(self, sockets: Path) -> Process:
        """The server process, not started yet."""
        settings = (
            _SETTINGS | ({} if self.durable else _THROW_AWAY) | {"unix_socket_directories": str(sockets)}
        )
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [str(self.bin_dir / "postgres"), "-D", str(self.data), "-p", "5432", *options]
        return self._process("PostgreSQL", command)

    def prepare(self, pause: Callable[[float], None]) -> None:
        """Make the cluster unless it is there; the caller holds the lock of its data directory.

        Raises EmbeddedError for a cluster of another major version and when initdb fails.
        """
        if self.data.exists():
            self._refuse_other_version()
            drop_stale_lock(self.data, pause)
        else:
            self._make(pause)

    def _make(self, pause: Callable[[float], None]) -> None:
        draft = self.data.with_name(self.data.name + ".new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if self.account:
            self.account.take(draft)
        command = [str(self.bin_dir / "initdb"), "-D", str(draft), "-U", SUPERUSER, "--auth=trust", *_LOCALE]
        initdb = self._process("initdb", command if self.durable else [*command, "--no-sync"])
        if run_to_end(initdb, seconds=READY_SECONDS, pause=pause):
            raise EmbeddedError(f"initdb could not make {self.data}. {initdb.last_words()}")
        draft.rename(self.data)

    def _refuse_other_version(self) -> None:
        version_file = self.data / "PG_VERSION"
        found = version_file.read_text(encoding="ascii").strip() if version_file.exists() else "(unknown)"
        if found != POSTGRES_MAJOR:
            raise EmbeddedError(
                f"{self.data} was written by PostgreSQL {found}, and this program carries PostgreSQL {POSTGRES_MAJOR}. "
                "Dump it with the program that wrote it (pg_dump), move the directory away, start again and "
                "load the dump; or set MEMORY_DATA_DIR to another directory."
            )

    def _process(self, name: str, command: list[str]) -> Process:
        return Process(
            name=name,
            command=command,
            log=self.log,
            cwd=Path("/"),
            environ=plain_environ(),
            account=self.account,
            # SIGINT: the fast shutdown, clients are not waited for. SIGQUIT: the data are not even written.
            stop_signal=signal.SIGINT if self.durable else signal.SIGQUIT,
            stop_seconds=60,
        )


def plain_environ() -> dict[str, str]:
    """Our environment without what would steer PostgreSQL: PG* variables and the locale."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C"}


def url(sockets: Path, user: str = NAME, database: str = NAME) -> str:
    """The libpq URL of a database behind the socket directory."""
    return f"postgresql://{user}@/{database}?host={quote(str(sockets), safe='')}"


def answers(sockets: Path) -> bool:
    """Whether the server takes connections."""
    try:
        _superuser(sockets, "postgres").close()
    except psycopg.OperationalError:
        return False
    return True


def create_database(sockets: Path) -> None:
    """Extension, role and database, each unless it is there: the next start finishes an interrupted first."""
    with _superuser(sockets, "template1") as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    with _superuser(sockets, "postgres") as connection:
        if not _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s"):
            connection.execute(f"CREATE ROLE {NAME} LOGIN NOSUPERUSER CREATEDB")
        # Each time: clusters of earlier versions came without. Migrations make the roles that keep tenants apart.
        connection.execute(f"ALTER ROLE {NAME} CREATEROLE")
        if not _exists(connection, "SELECT 1 FROM pg_database WHERE datname = %s"):
            connection.execute(f"CREATE DATABASE {NAME} OWNER {NAME}")


def _superuser(sockets: Path, database: str) -> psycopg.Connection:
    return psycopg.connect(
        host=str(sockets), port=5432, user=SUPERUSER, dbname=database, connect_timeout=5, autocommit=True
    )


def _exists(connection: psycopg.Connection, query: str) -> bool:
    return connection.execute(query, [NAME]).fetchone() is not None
