"""A large tenant's codebook: the centroids of its vectors' buckets, trained, filled, replaced.

Bucket 0 means "not assigned yet" and is always searched, so searches are right at every moment and every step here may
be broken off and simply done again. Invariants:
- A vector in another bucket has its centroid in the table. Who puts one there locks a centroid of that codebook (FOR
  KEY SHARE) and so waits for whoever is removing it, or makes him wait and look again.
- A bucket number is never used twice: generation * 65,536 + the centroid's number.
- Nobody else's vectors are in a tenant's codebook.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

import numpy as np
from django.db import connection, transaction

from memories import clustering, statements
from memories.clustering import Matrix
from memories.embeddings import Vector
from memories.models import EmbeddingSpace

GENERATION = 65_536
CHUNK = 1000
MAX_BUCKETS = 4096
# Buckets for the root of the number of vectors. What so many probes find hangs on how many they are, not on how large:
# twice as many buckets find as much in half the rows. But training takes four times as long.
BUCKETS_PER_ROOT = 4
SAMPLED_PER_BUCKET = 50
SAMPLE_BYTES = 128 * 1024 * 1024
# A codebook is trained anew when the tenant has grown so much since.
GROWTH = 4
_SIZED_BUCKETS = 32
_NEWEST = """
    SELECT tenant.id, last.bucket FROM unnest(%s::bigint[]) AS tenant(id) CROSS JOIN LATERAL (
        SELECT bucket FROM memories_centroid WHERE tenant_id = tenant.id AND space_id = %s::smallint
        ORDER BY bucket DESC LIMIT 1 FOR KEY SHARE) AS last ORDER BY tenant.id
"""
_STORE = """
    WITH stored AS (
        INSERT INTO memories_centroid (tenant_id, space_id, bucket, centroid)
        SELECT %s::bigint, %s::smallint, * FROM unnest(%s::int[], %s::halfvec[]) RETURNING bucket)
    SELECT count(*) FROM stored
"""

# Where a vector stands in its tenant's index: bucket, message id, part.
Place = tuple[int, UUID, int]
START: Place = (-1, UUID(int=0), 0)


@dataclass(frozen=True, kw_only=True)
class Codebook:
    """A tenant's newest centroids in a space: number n is that of bucket `first + n`."""

    tenant_id: int
    space_id: int
    first: int
    size: int

    def buckets_of(self, vectors: Matrix | Sequence[Vector]) -> list[int]:
        """The bucket of each vector."""
        numbers, _ = clustering.nearest(np.asarray(vectors, dtype=np.float32), _centroids(self))
        return [self.first + int(number) for number in numbers]


def newest(tenant_ids: Sequence[int], *, space_id: int) -> dict[int, Codebook]:
    """The codebooks that new vectors go by, of those tenants that have one. One index look-up a tenant.

    Inside a transaction they stay until its end.
    """
    found = statements.rows(_NEWEST, [statements.simple_array(sorted(set(tenant_ids))), space_id])
    return {tenant: _codebook(tenant, space_id, last) for tenant, last in found}


def estimated_vectors(codebook: Codebook) -> int:
    """How many vectors are in its buckets, from a sample of them: a few thousand index entries whatever the size."""
    step = max(1, codebook.size // _SIZED_BUCKETS)
    numbers = range(0, codebook.size, step)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*) FROM memories_messageembedding
            WHERE tenant_id = %s AND space_id = %s AND bucket = ANY(%s)
            """,
            [codebook.tenant_id, codebook.space_id, [codebook.first + number for number in numbers]],
        )
        counted = int(cursor.fetchone()[0])
    return round(counted * codebook.size / len(numbers))


def outgrown(codebook: Codebook) -> bool:
    """Whether its buckets hold GROWTH times what they were made for."""
    made_for = (codebook.size / BUCKETS_PER_ROOT) ** 2
    return codebook.size < MAX_BUCKETS and estimated_vectors(codebook) > GROWTH * made_for


def train(tenant_id: int, *, space: EmbeddingSpace) -> Codebook | None:
    """Make the tenant's next codebook and store it, with nothing in its buckets; None for a tenant without vectors.

    Some 4 * sqrt(n) centroids, from a sample that is the same for the same vectors. 100,000 vectors of 256 dimensions
    take seconds, and the memory is bounded: three times SAMPLE_BYTES. One at a time for a tenant (memories.training).
    """
    count = _count(tenant_id, space.id)
    size = min(MAX_BUCKETS, round(BUCKETS_PER_ROOT * count**0.5))
    wanted = min(size * SAMPLED_PER_BUCKET, SAMPLE_BYTES // (4 * space.dimensions))
    sample = _sample(tenant_id, space.id, share=min(1.0, wanted / max(count, 1)))
    if len(sample) == 0:
        return None
    centroids = clustering.centroids(sample, count=size)
    with transaction.atomic():
        before = newest([tenant_id], space_id=space.id).get(tenant_id)
        first = GENERATION + (before.first if before else 0)
        _store(tenant_id, space.id, first=first, centroids=centroids)
    return Codebook(tenant_id=tenant_id, space_id=space.id, first=first, size=len(centroids))


def assign_chunk(codebook: Codebook, *, after: Place = START) -> Place | None:
    """Move up to CHUNK of the tenant's other vectors into this codebook's buckets; the last one's place, or None.

    A transaction of its own. Vectors that are being replaced or deleted at the
    moment are passed over: what is left of them is found by the next look at the tenant.
    """
    tenant = [codebook.tenant_id, codebook.space_id]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT bucket, message_id, part, halfvec_send(embedding) FROM memories_messageembedding
            WHERE tenant_id = %s AND space_id = %s AND bucket < %s AND (bucket, message_id, part) > (%s, %s, %s)
            ORDER BY bucket, message_id, part LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
            """,
            [*tenant, codebook.first, *after, CHUNK],
        )
        rows = cursor.fetchall()
        if not rows:
            return None
        cursor.execute(
            """
            UPDATE memories_messageembedding e SET bucket = moved.bucket
            FROM unnest(%s::uuid[], %s::smallint[], %s::int[]) AS moved(message_id, part, bucket)
            WHERE e.tenant_id = %s AND e.message_id = moved.message_id AND e.space_id = %s AND e.part = moved.part
            """,
            [
                [row[1] for row in rows],
                [row[2] for row in rows],
                codebook.buckets_of(_decoded([row[3] for row in rows])),
                *tenant,
            ],
        )
    bucket, message_id, part, _ = rows[-1]
    return bucket, message_id, part


def is_filled(codebook: Codebook) -> bool:
    """Whether none of the tenant's vectors is anywhere else, and no older codebook is left."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT NOT EXISTS (SELECT FROM memories_messageembedding
                               WHERE tenant_id = %(tenant)s AND space_id = %(space)s AND bucket < %(first)s)
               AND NOT EXISTS (SELECT FROM memories_centroid
                               WHERE tenant_id = %(tenant)s AND space_id = %(space)s AND bucket < %(first)s)
            """,
            {"tenant": codebook.tenant_id, "space": codebook.space_id, "first": codebook.first},
        )
        return bool(cursor.fetchone()[0])


def retire_older(codebook: Codebook) -> bool:
    """Remove the tenant's older centroids if no vector is in their buckets; whether they are gone.

    Their locks are waited for: whoever holds one is putting a vector there, which the second statement then sees.
    """
    values = [codebook.tenant_id, codebook.space_id, codebook.first]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT FROM memories_centroid WHERE tenant_id = %s AND space_id = %s AND bucket < %s
            ORDER BY bucket FOR UPDATE
            """,
            values,
        )
        cursor.execute(
            """
            SELECT EXISTS (SELECT FROM memories_messageembedding
                           WHERE tenant_id = %s AND space_id = %s AND bucket > 0 AND bucket < %s)
            """,
            values,
        )
        if cursor.fetchone()[0]:
            return False
        cursor.execute(
            "DELETE FROM memories_centroid WHERE tenant_id = %s AND space_id = %s AND bucket < %s", values
        )
    return True


def _codebook(tenant_id: int, space_id: int, last_bucket: int) -> Codebook:
    first = last_bucket - last_bucket % GENERATION
    return Codebook(tenant_id=tenant_id, space_id=space_id, first=first, size=last_bucket % GENERATION + 1)


@lru_cache(maxsize=64)
def _centroids(codebook: Codebook) -> Matrix:
    """Read once in a process: a codebook never changes, and the next one has another `first`."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT halfvec_send(centroid) FROM memories_centroid
            WHERE tenant_id = %s AND space_id = %s AND bucket >= %s AND bucket < %s ORDER BY bucket
            """,
            [codebook.tenant_id, codebook.space_id, codebook.first, codebook.first + codebook.size],
        )
        return _decoded([row[0] for row in cursor.fetchall()])


def _count(tenant_id: int, space_id: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM memories_messageembedding WHERE tenant_id = %s AND space_id = %s",
            [tenant_id, space_id],
        )
        return int(cursor.fetchone()[0])


def _sample(tenant_id: int, space_id: int, *, share: float) -> Matrix:
    """About that share of the tenant's vectors, drawn by a hash of their ids, streamed in index order."""
    blocks = []
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(
            """
            SELECT halfvec_send(embedding) FROM memories_messageembedding
            WHERE tenant_id = %s AND space_id = %s
              AND (uuid_hash_extended(message_id, part) & 16777215) < %s::float8 * 16777216
            """,
            [tenant_id, space_id, share],
        )
        while rows := cursor.fetchmany(CHUNK):
            blocks.append(_decoded([row[0] for row in rows]))
    return np.concatenate(blocks) if blocks else np.empty((0, 0), dtype=np.float32)


def _store(tenant_id: int, space_id: int, *, first: int, centroids: Matrix) -> None:
    numbers = range(first, first + len(centroids))
    statements.rows(_STORE, [tenant_id, space_id, list(numbers), statements.halfvecs(centroids)])


def _decoded(sent: Sequence[bytes]) -> Matrix:
    """halfvec_send's bytes: two 16-bit integers (dimensions, 0), then big-endian halves."""
    return np.frombuffer(b"".join(sent), dtype=">f2").reshape(len(sent), -1)[:, 2:].astype(np.float32)
