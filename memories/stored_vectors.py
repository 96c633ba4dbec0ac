"""Writing messages' vectors: all parts of a message at once, each in its bucket."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db import connection
from pgvector import HalfVector
from pgvector.psycopg import register_vector
from psycopg.types.numeric import Int2, Int4, Int8

from memories import codebooks
from memories.embeddings import Vector

Key = tuple[int, UUID]


def replace(messages: Mapping[Key, Sequence[Vector]], *, space_id: int) -> None:
    """Store the vectors of messages, by (tenant id, message id) and part; an edited message's old ones go first.

    Inside a transaction that holds the messages' rows. Binary COPY: measured at five times the speed of INSERT.
    """
    if not messages:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM memories_messageembedding WHERE (tenant_id, message_id, space_id) IN (
                SELECT tenant_id, message_id, %s::smallint
                FROM unnest(%s::bigint[], %s::uuid[]) AS key(tenant_id, message_id))
            """,
            [space_id, [tenant for tenant, _ in messages], [message for _, message in messages]],
        )
        register_vector(cursor.connection)
    buckets = _buckets(messages, space_id)
    # A new cursor: one takes over its connection's types when it is made. COPY's binary form casts nothing, so the
    # integers must say their width.
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY memories_messageembedding (tenant_id, message_id, space_id, part, bucket, embedding) "
            "FROM STDIN (FORMAT BINARY)"
        ) as copy,
    ):
        for (tenant, message), vectors in messages.items():
            in_buckets = zip(vectors, buckets[tenant, message], strict=True)
            for part, (vector, bucket) in enumerate(in_buckets):
                row = (Int8(tenant), message, Int2(space_id), Int2(part), Int4(bucket), HalfVector(vector))
                copy.write_row(row)


def _buckets(messages: Mapping[Key, Sequence[Vector]], space_id: int) -> dict[Key, list[int]]:
    """The bucket of each vector: by its tenant's codebook, 0 where there is none."""
    books = codebooks.newest([tenant for tenant, _ in messages], space_id=space_id)
    return {
        (tenant, message): books[tenant].buckets_of(vectors) if tenant in books else [0] * len(vectors)
        for (tenant, message), vectors in messages.items()
    }
