"""Running the hand-written statements of search, without the half of their cost that is not theirs.

Django's cursors put the parameters into the statement's text, so that PostgreSQL plans it anew each time, and read
texts. These (`prepared`) send parameters apart and read binary; one asked often is prepared (MEMORY_DATABASE_PREPARE),
which takes a quarter off a search.
"""

import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial, reduce
from typing import Any, cast

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from pgvector import HalfVector

from memories.prepared import Binary, Prepared
from tenants import isolation

# A kept plan may be of a time when the table was empty; ANALYZE drops it, but comes late after a bulk load.
PLAN_SECONDS = 60
# Of one connection: those of a search, of this minute and the last, and some with filters. A plan takes some 100 kB.
PREPARED = 20


def rows(sql: str, params: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """All rows of the statement. Parameters need casts where PostgreSQL could not know their type."""
    # `django.db.connection` finds it anew at each dot: 20 us a statement.
    database = connections[DEFAULT_DB_ALIAS]
    database.ensure_connection()
    database.validate_no_broken_transaction()
    started = time.monotonic()

    def ask(sql: str, params: Any, _many: bool, _context: Any) -> list[tuple[Any, ...]]:
        with database.wrap_database_errors, isolation.statement(database.connection):
            kept = _kept(database.connection, (int(started // PLAN_SECONDS), sql))
            return kept.rows(database.connection, params)

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


def _kept(session: psycopg.Connection[Any], key: tuple[int, str]) -> Prepared:
    """The connection's statement of this minute. It holds its last rows until the next."""
    kept: dict[tuple[int, str], Prepared] = vars(session).setdefault("kept_statements", {})
    if key not in kept:
        while len(kept) >= PREPARED:
            oldest = next(iter(kept))
            kept[oldest].forget(session)
            del kept[oldest]
        minute, sql = key
        kept[key] = Prepared(session, f"/* {minute} */ {sql}")
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


def simple_array(values: Iterable[object]) -> str:
    """The same of numbers and ids, which need no quotes."""
    return "{" + ",".join(map(str, values)) + "}"


def _quoted(element: str) -> str:
    escaped = element.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
