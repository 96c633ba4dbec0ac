"""Writing messages' vectors: all parts of a message at once, each in its bucket."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from memories import codebooks, statements
from memories.embeddings import Vector
from memories.models import MessageEmbedding

Key = tuple[int, UUID]

_REMOVE = """
    DELETE FROM memories_messageembedding WHERE (tenant_id, message_id, space_id) IN (
        SELECT tenant_id, message_id, %s::smallint
        FROM unnest(%s::bigint[], %s::uuid[]) AS key(tenant_id, message_id))
    RETURNING part
"""
# Arrays of binary vectors; COPY, hardly faster, is not for tables with row-level security.
_INSERT = """
    WITH stored AS (
        INSERT INTO memories_messageembedding (space_id, tenant_id, message_id, part, bucket, embedding)
        SELECT %s::smallint, * FROM unnest(%s::bigint[], %s::uuid[], %s::smallint[], %s::int[], %s::halfvec[])
        RETURNING part)
    SELECT count(*) FROM stored
"""


def replace(messages: Mapping[Key, Sequence[Vector]], *, space_id: int) -> None:
    """Store the vectors of messages, by (tenant id, message id) and part; those that are there go first.

    Inside a transaction that holds the messages' rows.
    """
    if not messages:
        return
    keys = [statements.simple_array(column) for column in zip(*messages, strict=True)]
    statements.rows(_REMOVE, [space_id, *keys])
    buckets = _buckets(messages, space_id)
    # In the order of `embedding_search`: PostgreSQL then fills a page before it begins the next. Ids grow with time.
    rows = sorted(
        (tenant, bucket, message, part, vector)
        for (tenant, message), vectors in messages.items()
        for part, (vector, bucket) in enumerate(zip(vectors, buckets[tenant, message], strict=True))
    )
    tenants, in_buckets, ids, parts, stored = zip(*rows, strict=True)
    statements.rows(
        _INSERT,
        [
            space_id,
            *map(statements.simple_array, (tenants, ids, parts, in_buckets)),
            statements.halfvecs(stored),
        ],
    )


def remove(*, tenant_id: int, message_id: UUID) -> None:
    """All vectors of a message, in every space: its text is another now, and must not be found by the old one."""
    MessageEmbedding.objects.filter(tenant_id=tenant_id, message_id=message_id).delete()


def _buckets(messages: Mapping[Key, Sequence[Vector]], space_id: int) -> dict[Key, list[int]]:
    """The bucket of each vector: by its tenant's codebook, 0 where there is none."""
    books = codebooks.newest([tenant for tenant, _ in messages], space_id=space_id)
    return {
        (tenant, message): books[tenant].buckets_of(vectors) if tenant in books else [0] * len(vectors)
        for (tenant, message), vectors in messages.items()
    }
