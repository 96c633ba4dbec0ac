"""Many messages with their vectors, straight into the tables by binary COPY: ingest would take hours for millions.

The only place of the benchmarks that knows the columns. Triggers and generated columns work as for any insert.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import islice
from typing import Any
from uuid import UUID

import numpy
import psycopg
from django.core.management import call_command
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from memories import importance, lexicon, training
from memories.embeddings import embed
from memories.spaces import active_space
from tenants.models import Tenant
from tests.benchmarks import topical

CHUNK = 20_000
SPREAD = timedelta(days=90)
TABLES = ("memories_message", "memories_messageembedding", "memories_termstatistic", "memories_centroid")
# Into which COPY, or a trigger of it, writes.
COPIED = ("memories_message", "memories_messageembedding", "memories_termchange")
_COLUMNS = {
    "tenant_id": "int8",
    "id": "uuid",
    "conversation_id": "text",
    "role": "text",
    "name": "text",
    "user_id": "text",
    "agent_id": "text",
    "external_id": "text",
    "content": "text",
    "metadata": "jsonb",
    "importance": "float8",
    "importance_is_explicit": "bool",
    "pinned": "bool",
    "word_count": "int4",
    "created_at": "timestamptz",
}
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"


def load(database_url: str, sizes: dict[str, int], *, seed: int) -> float:
    """Tenants of these names with so many messages each, then VACUUM ANALYZE; the seconds it took."""
    started = time.perf_counter()
    with psycopg.connect(database_url, autocommit=True) as connection, _unforced(connection):
        rows_left = _rows(sizes, seed)
        while rows := list(islice(rows_left, CHUNK)):
            with connection.transaction():
                _copy_messages(connection, rows)
                _copy_embeddings(connection, rows)
    settle(database_url)
    return time.perf_counter() - started


@contextmanager
def _unforced(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """COPY is not for tables with row-level security: meanwhile it does not hold for their owner."""
    alter = "ALTER TABLE {} {} ROW LEVEL SECURITY"
    for table in COPIED:
        connection.execute(alter.format(table, "NO FORCE"))
    try:
        yield
    finally:
        for table in COPIED:
            connection.execute(alter.format(table, "FORCE"))


def settle(database_url: str) -> None:
    """What the worker and autovacuum do sooner or later, done now: every run measures the same state."""
    lexicon.fold_all()
    while training.due_tenants(active_space()):  # the stack's own worker may be at it
        call_command("train_codebooks", stdout=StringIO())
        time.sleep(1)
    with psycopg.connect(database_url, autocommit=True) as connection:
        for table in TABLES:
            connection.execute(f"VACUUM (ANALYZE) {table}")


def _rows(sizes: dict[str, int], seed: int) -> Iterator[tuple[Any, ...]]:
    """In the order of _COLUMNS."""
    now = datetime.now(UTC)
    for place, (name, count) in enumerate(sizes.items()):
        tenant_id = Tenant.objects.create(name=name).id
        for number, message in enumerate(topical.messages(count, seed=seed + place)):
            content, role = str(message["content"]), str(message["role"])
            words = importance.count_words(content)
            yield (
                tenant_id,
                uuid7(),
                message["conversation_id"],
                role,
                "",
                message["user_id"],
                "",
                None,
                content,
                Jsonb(message["metadata"]),
                importance.score(role=role, content=content, word_count=words).value,
                False,
                False,
                words,
                now - SPREAD * (1 - number / count),
            )


def _copy_messages(connection: psycopg.Connection[Any], rows: Sequence[tuple[Any, ...]]) -> None:
    statement = f"COPY memories_message ({', '.join(_COLUMNS)}) FROM STDIN (FORMAT BINARY)"
    with connection.cursor().copy(statement) as copy:
        copy.set_types(list(_COLUMNS.values()))
        for row in rows:
            copy.write_row(row)


def _copy_embeddings(connection: psycopg.Connection[Any], rows: Sequence[tuple[Any, ...]]) -> None:
    content = list(_COLUMNS).index("content")
    vectors = numpy.array(embed([row[content] for row in rows]), dtype="f4")
    data = _embedding_rows(active_space().id, [(row[0], row[1]) for row in rows], vectors)
    statement = "COPY memories_messageembedding (tenant_id, space_id, message_id, embedding) FROM STDIN (FORMAT BINARY)"
    with connection.cursor().copy(statement) as copy:
        copy.write(_HEADER + data + _TRAILER)


def _embedding_rows(space_id: int, keys: Sequence[tuple[int, UUID]], vectors: Any) -> bytes:
    """Rows of COPY's binary format: each field's length, then its bytes, big-endian.

    A halfvec is its number of dimensions, a zero, and the values.
    """
    dimensions = vectors.shape[1]
    layout = [("fields", ">i2")]
    for name, kind in (("tenant", ">i8"), ("space", ">i2"), ("message", "S16")):
        layout += [(f"{name}_length", ">i4"), (name, kind)]
    layout += [("length", ">i4"), ("dimensions", ">i2"), ("unused", ">i2"), ("values", ">f2", (dimensions,))]
    rows = numpy.zeros(len(keys), dtype=layout)
    rows["fields"] = 4
    rows["tenant_length"], rows["tenant"] = 8, [tenant_id for tenant_id, _ in keys]
    rows["space_length"], rows["space"] = 2, space_id
    rows["message_length"], rows["message"] = 16, [message_id.bytes for _, message_id in keys]
    rows["length"], rows["dimensions"], rows["values"] = 4 + 2 * dimensions, dimensions, vectors
    return rows.tobytes()
