"""Looking for a text in everything that is kept: every table, the planner's samples, all of Redis."""

import pickle
from collections.abc import Iterable
from typing import Any

import psycopg
import redis

_TABLES = """
    SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables
    WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""
# Under row-level security pg_stats says nothing, not even to the owner.
_ISOLATED = "SELECT oid::regclass::text FROM pg_class WHERE relrowsecurity"
_SAMPLES = "SELECT tablename || '.' || attname, row::text FROM pg_stats row WHERE schemaname = 'public'"


def in_database(connection: psycopg.Connection[Any], texts: Iterable[str]) -> list[str]:
    """The tables, and columns in the planner's samples, in whose text one of these stands, whatever its case."""
    marks = [text.lower() for text in texts]
    cursor = psycopg.Cursor(connection)
    tables = [row[0] for row in cursor.execute(_TABLES).fetchall()]
    assert len(tables) > 20
    found = []
    for table in tables:
        hits = 0
        with cursor.copy(f"COPY (SELECT * FROM {table}) TO STDOUT") as copy:
            for line in copy:  # to its end: an unfinished COPY blocks the connection
                hits += any(mark in bytes(line).decode().lower() for mark in marks)
        if hits:
            found.append(table)
    return found + [
        f"samples of {name}"
        for name, text in _samples(connection)
        if any(mark in text.lower() for mark in marks)
    ]


def _samples(connection: psycopg.Connection[Any]) -> list[tuple[str, str]]:
    """One table after the other: who locks several that are in use may come to a deadlock."""
    cursor = psycopg.Cursor(connection)
    samples = cursor.execute(_SAMPLES).fetchall()
    for (table,) in cursor.execute(_ISOLATED).fetchall():
        with connection.transaction(force_rollback=True):
            cursor.execute("SET LOCAL ROLE NONE")
            cursor.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
            samples += cursor.execute(f"{_SAMPLES} AND tablename = %s", [table]).fetchall()
    return samples


def in_redis(client: "redis.Redis[bytes]", texts: Iterable[str]) -> list[str]:
    """The keys in whose name or value, of whatever type, one of these stands."""
    marks = [text.lower() for text in texts]
    return [
        key.decode()
        for key in client.scan_iter(count=1000)
        if any(mark in f"{key!r} {_value(client, key)}".lower() for mark in marks)
    ]


def _value(client: "redis.Redis[bytes]", key: bytes) -> str:
    reads = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"stream": lambda key: client.xrange(key),
        b"none": lambda key: b"",
    }
    value = reads[client.type(key)](key)
    try:
        return f"{value!r} {pickle.loads(value)!r}"  # as Django keeps its values
    except (TypeError, ValueError, EOFError, pickle.UnpicklingError, IndexError, KeyError, AttributeError):
        return repr(value)
