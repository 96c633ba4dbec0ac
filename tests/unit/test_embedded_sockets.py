import os
from pathlib import Path

import pytest
import redis as redis_client
from psycopg.conninfo import conninfo_to_dict

from memory_layer.embedded import postgres, redis
from memory_layer.embedded.account import postgres_account
from memory_layer.embedded.sockets import make_sockets, short_parent


def test_the_directories_are_closed_to_others() -> None:
    account = postgres_account()
    sockets = make_sockets(account)
    try:
        assert sockets.postgres.stat().st_mode & 0o777 == 0o700
        assert sockets.redis.parent.stat().st_mode & 0o777 == 0o700
        assert sockets.postgres.stat().st_uid == (account.uid if account else os.geteuid())
    finally:
        sockets.remove()
    assert not sockets.directory.exists()


@pytest.mark.parametrize("variable", [None, "relative", "/nowhere/at/all"])
def test_without_a_runtime_directory_it_is_tmp(monkeypatch: pytest.MonkeyPatch, variable: str | None) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    if variable:
        monkeypatch.setenv("XDG_RUNTIME_DIR", variable)
    assert short_parent(None) == Path("/tmp")


def test_a_short_runtime_directory_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    short = Path("/tmp") / f"xdg-{os.getpid()}"
    short.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    try:
        assert short_parent(None) == short
    finally:
        short.rmdir()


@pytest.mark.parametrize("name", ["with a space", "x" * 60])
def test_an_unfit_runtime_directory_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / name))
    assert short_parent(None) == Path("/tmp")


def test_the_longest_socket_path_fits() -> None:
    sockets = make_sockets(None)
    sockets.remove()
    assert len(os.fsencode(sockets.postgres / ".s.PGSQL.5432.lock")) <= 103


@pytest.mark.parametrize("directory", ["/tmp/a", "/tmp/a b", "/tmp/50%", "/tmp/ü?&#"])
def test_urls_keep_any_path(directory: str) -> None:
    database = conninfo_to_dict(postgres.url(Path(directory)))
    assert database == {"user": "memory", "dbname": "memory", "host": directory}
    client = redis_client.Redis.from_url(redis.url(Path(directory)))
    assert client.connection_pool.connection_kwargs["path"] == directory
