"""Waiting until nobody works with the database as it was before: for what must be seen by whoever comes next.

A statement sees the database as it was when it began, so one that began before a commit can still write what the
commit forbids, and its transaction can commit that much later. Two waits make sure that this is over:
1. until every statement is gone that began before the commit (its snapshot is as old as that, `backend_xmin`);
2. until every transaction is gone that had written anything by then (`backend_xid`).
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from django.db import connection

from tenants import isolation

# A statement about to write is a matter of milliseconds; what reads for longer (a dump, a report) does not write.
READERS_SECONDS = 5.0
WRITERS_SECONDS = 30.0
POLL_SECONDS = 0.01

_OTHERS = "datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
# Ages and not ids, which wrap around.
_OLD_SNAPSHOTS = f"""
    SELECT EXISTS (SELECT FROM pg_stat_activity WHERE {_OTHERS} AND age(backend_xmin) >= age(%s::xid))
"""
_WRITERS = f"SELECT pid, backend_xid::text FROM pg_stat_activity WHERE {_OTHERS} AND backend_xid IS NOT NULL"


def transaction_id() -> str:
    """Of the running transaction, for `pass_by`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::xid::text")
        return str(cursor.fetchone()[0])


def pass_by(committed: str) -> bool:
    """Wait until what this transaction committed is seen by all who write; False: somebody still writes without.

    Outside any transaction. At most READERS_SECONDS + WRITERS_SECONDS.
    """
    _until(lambda: not _old_snapshots(committed), READERS_SECONDS)
    writing = _writers()
    return _until(lambda: not writing & _writers(), WRITERS_SECONDS)


def _old_snapshots(committed: str) -> bool:
    with _as_login(), connection.cursor() as cursor:
        cursor.execute(_OLD_SNAPSHOTS, [committed])
        return bool(cursor.fetchone()[0])


def _as_login() -> AbstractContextManager[None]:
    """PostgreSQL shows a session's state to the login that it belongs to, and not to the roles that it works as."""
    return isolation.reaching(isolation.LOGIN)


def _writers() -> set[tuple[int, str]]:
    with _as_login(), connection.cursor() as cursor:
        cursor.execute(_WRITERS)
        return set(cursor.fetchall())


def _until(ready: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not (done := ready()):
        if time.monotonic() > deadline:
            break
        time.sleep(POLL_SECONDS)
    return done
