"""Real servers: what the rest of the suite stands on, and every way a cluster can be found in the morning."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis as redis_client

from memory_layer.embedded import postgres
from memory_layer.embedded.account import Account, postgres_account
from memory_layer.embedded.binaries import postgres_bin
from memory_layer.embedded.errors import EmbeddedError
from memory_layer.embedded.servers import Servers, cluster_place, start_servers


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """Below /tmp rather than pytest's own 0700 directory, which root's PostgreSQL account cannot enter."""
    path = Path(tempfile.mkdtemp(prefix="ai memory "))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def servers(data_dir: Path) -> Iterator[Servers]:
    """Started from an initdb that was interrupted half way."""
    half = data_dir / "postgres.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    running = start_servers(data_dir, durable=True)
    assert not half.exists()
    yield running
    running.stop()


def ask(servers: Servers, query: str, user: str = "memory") -> tuple[object, ...]:
    url = servers.database_url.replace("//memory@", f"//{user}@")
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
    assert row
    return row


def state(data_dir: Path) -> str:
    command = [postgres_bin() / "pg_controldata", data_dir / "postgres"]
    text = subprocess.run(command, capture_output=True, text=True, check=True, env={"LC_ALL": "C"}).stdout
    return next(line for line in text.splitlines() if "cluster state" in line).split(":")[1].strip()


def test_the_service_is_no_superuser_and_may_create_databases(servers: Servers) -> None:
    assert ask(servers, "SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user") == (
        False,
        True,
    )
    assert ask(servers, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user", "postgres") == (True,)


def test_vectors_and_capitals_work_in_any_locale(servers: Servers) -> None:
    assert ask(servers, "SELECT '[1,2]'::vector <-> '[1,4]'") == (2.0,)
    assert ask(servers, "SELECT lower('ÉCOLE'), to_tsvector('simple', 'ÉCOLE')::text") == (
        "école",
        "'école':1",
    )
    assert ask(servers, "SHOW server_encoding") == ("UTF8",)


def test_a_new_database_has_vectors_too(servers: Servers) -> None:
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE fresh")
    url = servers.database_url.replace("/memory?", "/fresh?")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute("SELECT '[1]'::vector")
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE fresh")


def test_nothing_listens_on_the_network(servers: Servers) -> None:
    assert ask(servers, "SHOW listen_addresses") == ("",)
    with redis_client.Redis.from_url(servers.redis_url, decode_responses=True) as client:
        assert client.config_get("port") == {"port": "0"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_nothing_acknowledged_is_forgotten_in_a_crash(servers: Servers, data_dir: Path) -> None:
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
    server = servers.processes[0]
    server.ask(signal.SIGKILL)
    while server.running():
        time.sleep(0.02)
    assert state(data_dir) == "in production"
    deadline = time.monotonic() + 30
    while not postgres.answers(servers.sockets.postgres):
        if not server.running():  # the killed server's own children may hold its memory for a moment
            server.start()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert ask(servers, "SELECT n FROM kept") == (1,)


def test_a_stop_is_clean_and_leaves_no_socket(servers: Servers, data_dir: Path) -> None:
    servers.stop()
    assert state(data_dir) == "shut down"
    assert not servers.sockets.directory.exists()


def test_another_major_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("16\n")
    cluster = postgres.Cluster(tmp_path / "postgres", postgres_bin(), tmp_path / "log", None, durable=True)
    with pytest.raises(EmbeddedError, match=r"PostgreSQL 16.* carries PostgreSQL 18.*pg_dump"):
        cluster.prepare(time.sleep)
    assert (tmp_path / "postgres" / "PG_VERSION").exists()


def test_a_failed_start_leaves_nothing_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sockets = set(Path("/tmp").glob("ai-memory-*"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis" / "appendonly.aof").write_bytes(b"this is no append-only file")
    with pytest.raises(EmbeddedError, match="Redis ended during its start"):
        start_servers(tmp_path, durable=True, with_postgres=False)
    assert set(Path("/tmp").glob("ai-memory-*")) == sockets


def test_a_cluster_lies_in_the_data_directory(tmp_path: Path) -> None:
    assert cluster_place(tmp_path, None, print) == tmp_path / "postgres"


def test_a_closed_directory_sends_roots_cluster_to_a_public_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr("memory_layer.embedded.servers.public_place", lambda: Path("/public"))
    said: list[str] = []
    place = cluster_place(closed, Account(54321, 54321), said.append)
    assert place.parent == Path("/public")
    assert place == cluster_place(closed, Account(54321, 54321), said.append)
    assert place != cluster_place(tmp_path, Account(54321, 54321), said.append)
    assert str(place) in said[0]
    assert closed.stat().st_mode & 0o777 == 0o700


def test_a_cluster_that_can_no_longer_be_entered_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    tmp_path.chmod(0o700)
    with pytest.raises(EmbeddedError, match="holds the database"):
        cluster_place(tmp_path, Account(54321, 54321), print)


def test_a_user_without_a_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(EmbeddedError, match="54321 has no name"):
        postgres_account()
