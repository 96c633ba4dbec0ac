"""Pytest plugin: throw-away PostgreSQL and Redis for each process that runs tests.

Loaded with `-p tests.servers`, so that its wrapper runs before pytest-django reads the settings, which name
the servers. With MEMORY_DATABASE_URL and MEMORY_REDIS_URL set, those servers are used and nothing is
started. Side by side (`-n 2`) tests empty Redis and kill servers under each other: so each process has its own.
"""

import atexit
import contextlib
import os
from collections.abc import Generator

import pytest

from memory_layer.embedded.errors import EmbeddedError
from memory_layer.embedded.throwaway import throwaway_servers
from tests import migrated

_URLS = ("MEMORY_DATABASE_URL", "MEMORY_REDIS_URL")
_SETTINGS = {
    "MEMORY_EMBEDDING_PROVIDER": "mock",
    # A test's transaction is never committed, and only a commit makes answers stale: on in the tests of the cache.
    "MEMORY_SEARCH_CACHE_SECONDS": "0",
    "MEMORY_SECRET_KEY": "a-secret-for-tests-only-0123456789-0123456789-0123456789",
}


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    """A wrapper runs before pytest-django's own hook."""
    _forget("MEMORY_", keep=_URLS)  # a developer's own settings are not what the tests are about
    os.environ.update(_SETTINGS)
    given = [name for name in _URLS if os.environ.get(name)]
    is_handed_tests = "PYTEST_XDIST_WORKER" in os.environ
    hands_out = bool(early_config.known_args_namespace.numprocesses) and not is_handed_tests
    if hands_out and given:
        raise pytest.UsageError(f"{' and '.join(given)} name servers for one process: run without -n.")
    if hands_out:
        migrated.share()
    elif len(given) < len(_URLS):
        try:
            _start()
        except EmbeddedError as error:
            raise pytest.UsageError(str(error)) from error
    return (yield)


def _start() -> None:
    running = contextlib.ExitStack()
    servers = running.enter_context(throwaway_servers())
    if not os.environ.get("MEMORY_DATABASE_URL"):
        _forget("PG")  # PGPORT and the like, meant for another server
        os.environ["MEMORY_DATABASE_URL"] = servers.database_url
    if not os.environ.get("MEMORY_REDIS_URL"):
        os.environ["MEMORY_REDIS_URL"] = servers.redis_url
    owner = os.getpid()

    def stop() -> None:
        if os.getpid() == owner:  # a test's forked child runs exit handlers as well
            running.close()

    # Not pytest_unconfigure: it is not called for --help or a usage error.
    atexit.register(stop)


def _forget(prefix: str, keep: tuple[str, ...] = ()) -> None:
    for name in [name for name in os.environ if name.startswith(prefix) and name not in keep]:
        del os.environ[name]
