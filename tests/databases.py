"""Databases of their own on the tests' PostgreSQL, for tests that migrate, dump or serve one."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict

from memory_layer.embedded import postgres


@contextmanager
def fresh_database() -> Iterator[str]:
    """The URL of an empty database of the service's role, which is gone afterwards, whoever still uses it."""
    server, name = os.environ["MEMORY_DATABASE_URL"], f"fresh_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield url_of(name)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def url_of(database: str, user: str = postgres.NAME) -> str:
    """Another database of the same server. As `postgres` one may do everything."""
    parts = conninfo_to_dict(os.environ["MEMORY_DATABASE_URL"])
    return "postgresql:///?" + urlencode(parts | {"dbname": database, "user": user})


def rows_of(url: str, query: str) -> list[tuple]:
    """What a statement gives there. As the superuser, from whom no row is kept."""
    with psycopg.connect(url_of(conninfo_to_dict(url)["dbname"], user=postgres.SUPERUSER)) as connection:
        return connection.execute(query).fetchall()
