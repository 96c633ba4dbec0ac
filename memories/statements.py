"""Running the hand-written statements of search, without the half of their cost that is not theirs.

Django's cursors put the parameters into the statement's text, so that PostgreSQL plans it anew each time, and read
texts. These send parameters apart and read binary; a statement asked often is prepared (MEMORY_DATABASE_PREPARE), which
takes a quarter off a search.
"""

import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial, reduce
from typing import Any, cast

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from pgvector import HalfVector
from psycopg.adapt import Dumper
from psycopg.pq import Format

from tenants import isolation

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


def send_binaries() -> None:
    """Called by the app's ready(), before the first connection: Django gives each a copy of what there is then."""
    psycopg.adapters.register_dumper(Binary, _BinaryDumper)


def rows(sql: str, params: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """All rows of the statement. Parameters need casts where PostgreSQL could not know their type."""
    # `django.db.connection` finds it anew at each dot: 20 us a statement.
    database = connections[DEFAULT_DB_ALIAS]
    database.ensure_connection()
    database.validate_no_broken_transaction()
    started = time.monotonic()

    def ask(sql: str, params: Any, _many: bool, _context: Any) -> list[tuple[Any, ...]]:
        with database.wrap_database_errors, isolation.statement(database.connection):
            cursor, text = _kept(database.connection, (int(started // PLAN_SECONDS), sql))
            cursor.execute(text, params, binary=True)
            return cursor.fetchall()

    # As Django's cursors do it: whoever watches statements (memory_layer.tracing) sees these too.
    watched = reduce(lambda inner, watch: partial(watch, inner), reversed(database.execute_wrappers), ask)
    try:
        return watched(sql, params, False, {"connection": database})
    finally:
        if (
            database.force_debug_cursor
        ):  # as `queries_logged`, less a look at settings.DEBUG, which is never on here
            took: dict[str, Any] = {"sql": sql, "params": params, "time": f"{time.monotonic() - started:.3f}"}
            database.queries_log.append(took)


def rows_of(tenant_id: int, sql: str, params: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The same with only this tenant's rows in reach, whoever asks: without one, the views for search are empty."""
    if isolation.current() is isolation.of_tenant(
        tenant_id
    ):  # most often so, and a block takes two microseconds
        return rows(sql, params)
    with isolation.within(tenant_id):
        return rows(sql, params)


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


def halfvecs(vectors: Iterable[Sequence[float]]) -> Binary:
    """An array of vectors, for a parameter with the cast halfvec[]: a text takes 40 us a vector to write and read."""
    elements = [HalfVector(cast(Any, vector)).to_binary() for vector in vectors]
    parts = [struct.pack(">iiIii", 1, 0, _halfvec(), len(elements), 1)]
    for element in elements:
        parts += [len(element).to_bytes(4, "big"), element]
    return Binary(b"".join(parts))


def _halfvec() -> int:
    """The number of the type, which is the database's own."""
    database = connections[DEFAULT_DB_ALIAS]
    database.ensure_connection()
    kept = vars(database.connection)
    if "halfvec" not in kept:
        [(kept["halfvec"],)] = rows("SELECT 'halfvec'::regtype::oid::bigint", [])
    return int(kept["halfvec"])


def array(values: Iterable[object]) -> str:
    """An array as PostgreSQL writes it, for a parameter with a cast: psycopg takes 3 us for each value of a list."""
    return "{" + ",".join("NULL" if value is None else _quoted(str(value)) for value in values) + "}"


def _quoted(element: str) -> str:
    escaped = element.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
