"""Running the hand-written statements of search, without the half of their cost that is not theirs.

Django's cursors put the parameters into the statement's text, so that PostgreSQL plans it anew each time, and read
texts. These send parameters apart and read binary; a statement asked often is prepared (MEMORY_DATABASE_PREPARE), which
takes a quarter off a search.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from psycopg.adapt import Dumper
from psycopg.pq import Format

# A kept plan may be of a time when the table was empty; ANALYZE drops it, but comes late after a bulk load.
PLAN_SECONDS = 60
# Of one connection: those of a search, of this minute and the last, and some with filters. A plan takes some 100 kB.
PREPARED = 20


class Binary(bytes):
    """A parameter as PostgreSQL itself has it in memory. It needs a cast, which tells PostgreSQL the type."""


class _BinaryDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Binary) -> Binary:
        return obj


# Before the first connection: Django gives each a copy.
psycopg.adapters.register_dumper(Binary, _BinaryDumper)


def rows(sql: str, params: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """All rows of the statement. Parameters need casts where PostgreSQL could not know their type."""
    # `django.db.connection` finds it anew at each dot: 20 us a statement.
    database = connections[DEFAULT_DB_ALIAS]
    database.ensure_connection()
    database.validate_no_broken_transaction()
    started = time.monotonic()
    try:
        with database.wrap_database_errors:
            cursor, text = _kept(database.connection, (int(started // PLAN_SECONDS), sql))
            cursor.execute(text, params, binary=True)
            return cursor.fetchall()
    finally:
        if (
            database.force_debug_cursor
        ):  # as `queries_logged`, less a look at settings.DEBUG, which is never on here
            took: dict[str, Any] = {"sql": sql, "params": params, "time": f"{time.monotonic() - started:.3f}"}
            database.queries_log.append(took)


def _kept(session: psycopg.Connection[Any], key: tuple[int, str]) -> tuple[psycopg.Cursor[Any], bytes]:
    """The connection's cursor for the statement in this minute, and the statement's text.

    psycopg reads rows by what it knows of their types as long as a cursor is given the very same text: finding that out
    anew took 0.15 ms of a search. A cursor holds its last rows until the next.
    """
    kept: dict[tuple[int, str], tuple[psycopg.Cursor[Any], bytes]] = vars(session).setdefault(
        "kept_cursors", {}
    )
    if key not in kept:
        session.prepared_max = PREPARED
        while len(kept) >= PREPARED:
            del kept[next(iter(kept))]  # the one that was made longest ago
        minute, sql = key
        kept[key] = psycopg.Cursor(session), f"/* {minute} */ {sql}".encode()
    return kept[key]


def array(values: Iterable[object]) -> str:
    """An array as PostgreSQL writes it, for a parameter with a cast: psycopg takes 3 us for each value of a list."""
    escaped = (str(value).replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in escaped) + "}"
