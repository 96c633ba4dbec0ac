"""PostgreSQL beyond answering: its version, room, roles, indexes and clock."""

import time
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import connection

from memories.embeddings.registry import configured, is_remote
from memory_layer.doctor.findings import Finding, error, ok, warning
from tenants import isolation

OLDEST = 140_000
LONG_SECONDS, IDLE_SECONDS = 900, 300
SKEW_SECONDS, WRONG_SKEW_SECONDS = 1.0, 30.0
# Beat, a migration, somebody's psql.
OTHER_CONNECTIONS = 5


def server() -> Iterator[Finding]:
    """Version, encoding, collation, autovacuum."""
    number, version, encoding, collation, autovacuum = _row(
        """
        SELECT current_setting('server_version_num')::int, current_setting('server_version'),
               pg_encoding_to_char(encoding), datcollate, current_setting('autovacuum')
        FROM pg_database WHERE datname = current_database()
        """
    )
    says = f"PostgreSQL {version}, {encoding}, {collation}, {_size()}"
    yield (
        ok("server", says)
        if number >= OLDEST
        else error("server", says, f"Upgrade PostgreSQL to {OLDEST // 10_000} or later.")
    )
    if encoding != "UTF8":
        yield error(
            "server",
            f"The database's encoding is {encoding}: texts in other alphabets are refused.",
            "Create it anew with ENCODING 'UTF8' and move the data there.",
        )
    if autovacuum != "on":
        yield error(
            "server", "autovacuum is off: tables and indexes grow without end.", "Set autovacuum = on."
        )
    if number >= 150_000:
        yield from _collation()


def _collation() -> Iterator[Finding]:
    stored, actual = _row(
        """
        SELECT datcollversion, pg_database_collation_actual_version(oid)
        FROM pg_database WHERE datname = current_database()
        """
    )
    if stored != actual:
        yield warning(
            "server",
            f"Indexes were sorted by the collation's version {stored}, and the system has {actual}.",
            "REINDEX DATABASE, then ALTER DATABASE ... REFRESH COLLATION VERSION.",
        )


def connections_needed() -> Iterator[Finding]:
    """Whether every thread can have its connection."""
    env = settings.ENV
    allowed, used = _row(
        """
        SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
               (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')
        """
    )
    threads = env.web_threads + is_remote(configured())  # one writes what searches spent
    needed = env.web_workers * threads + env.worker_concurrency + OTHER_CONNECTIONS
    says = (
        f"{used} of {allowed} connections are in use; {env.web_workers} x {threads} web threads, "
        f"{env.worker_concurrency} worker processes and {OTHER_CONNECTIONS} others may take {needed}."
    )
    if needed > allowed or used >= allowed - 1:
        yield error(
            "connections", says, "Raise max_connections, lower MEMORY_WEB_THREADS, or put a pooler in front."
        )
    else:
        yield ok("connections", says)


def transactions() -> Iterator[Finding]:
    """Those that keep vacuum from its work."""
    rows = _rows(
        """
        SELECT pid, application_name, state, extract(epoch FROM statement_timestamp() - xact_start)::int
        FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
          AND xact_start < statement_timestamp()
              - make_interval(secs => CASE WHEN state LIKE 'idle in%%' THEN %s ELSE %s END)
        ORDER BY xact_start
        """,
        [IDLE_SECONDS, LONG_SECONDS],
    )
    for pid, application, state, seconds in rows:
        yield warning(
            "transactions",
            f"Process {pid} ({application or 'unnamed'}, {state}) has a transaction open for {seconds} s.",
            f"If nobody needs it: SELECT pg_terminate_backend({pid}).",
        )
    if not rows:
        yield ok("transactions", "None is open for long.")


def role() -> Iterator[Finding]:
    """What our own role may do: row-level security holds for no superuser and nobody who bypasses it."""
    name, superuser, bypasses, secured = _row(
        """
        SELECT rolname, rolsuper, rolbypassrls,
               (SELECT count(*) FROM pg_class WHERE relrowsecurity AND relnamespace = 'public'::regnamespace)
        FROM pg_roles WHERE rolname = session_user
        """
    )
    above = "a superuser" if superuser else "allowed to bypass row-level security" if bypasses else ""
    says = f"{name} is {above or 'an ordinary role'}; {secured} tables have row-level security."
    mend = (
        "Let the web and worker connect as a role that is neither superuser nor BYPASSRLS (docs/security.md)."
    )
    if not above or not settings.ENV.production:
        yield ok("role", says)
    elif secured:
        yield error("role", says, mend)
    else:
        yield warning("role", says, mend)


def indexes() -> Iterator[Finding]:
    """Those that an interrupted CREATE INDEX CONCURRENTLY left: they cost writes and serve nobody."""
    rows = _rows("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid ORDER BY 1")
    for (name,) in rows:
        yield error("indexes", f"{name} is not valid.", f"REINDEX INDEX CONCURRENTLY {name}.")
    if not rows:
        yield ok("indexes", "All are valid.")


def clock() -> Iterator[Finding]:
    """Leases and schedules go by the database's clock, created_at and the decay by this machine's."""
    before = time.time()
    (theirs,) = _row("SELECT extract(epoch FROM clock_timestamp())::float8")
    after = time.time()
    skew = max(before - theirs, theirs - after, 0.0)
    says = f"The database's clock and this machine's differ by {skew:.1f} s."
    if skew > WRONG_SKEW_SECONDS:
        yield error("clock", says, "Run NTP on both.")
    elif skew > SKEW_SECONDS:
        yield warning("clock", says, "Run NTP on both.")
    else:
        yield ok("clock", says)


def _size() -> str:
    (size,) = _row("SELECT pg_size_pretty(pg_database_size(current_database()))")
    return str(size)


def _rows(sql: str, params: Any = None) -> list[tuple[Any, ...]]:
    # As the login: from the worker's role PostgreSQL hides what other sessions do.
    with isolation.reaching(isolation.LOGIN), connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def _row(sql: str, params: Any = None) -> tuple[Any, ...]:
    return _rows(sql, params)[0]
