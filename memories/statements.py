"""Running the hand-written statements of search, without the half of their cost that is not theirs.

Django's cursors put the parameters into the statement's text, so that PostgreSQL plans it anew each time, and read
texts. These send parameters apart and read binary; a statement asked often is prepared (MEMORY_DATABASE_PREPARE), which
takes a quarter off a search.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db import connection

# A kept plan may be of a time when the table was empty; ANALYZE drops it, but comes late after a bulk load.
PLAN_SECONDS = 60
# Of one connection: a search's five, of this minute and the last, and some with filters. A plan takes some 100 kB.
PREPARED = 20


def rows(sql: str, params: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """All rows of the statement. Parameters need casts where PostgreSQL could not know their type."""
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    started = time.monotonic()
    try:
        connection.connection.prepared_max = PREPARED
        with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
            cursor.execute(f"/* {started // PLAN_SECONDS:.0f} */ {sql}".encode(), params, binary=True)
            return cursor.fetchall()
    finally:
        if connection.queries_logged:
            took: dict[str, Any] = {"sql": sql, "params": params, "time": f"{time.monotonic() - started:.3f}"}
            connection.queries_log.append(took)
