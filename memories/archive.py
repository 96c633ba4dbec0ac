"""Moving messages out of the memory and back: everything of theirs in one transaction, or nothing.

Bugs here lose other people's memories, so:
- A move takes the text, the metadata, all times, the vectors in all spaces, the state of the jobs and the last recall
  along, and a restore brings them back as they were. Both lock their rows first and copy in a later statement: a vector
  that a worker stored meanwhile is seen, and one that comes later finds no message and is not stored.
- Deleting only marks an archived message; purge() removes what is marked, and is the only way to lose anything.
- Term statistics follow by the triggers on the messages' table, as under every other write.
- Callers hold a transaction, and every statement names the tenant.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from memories import caching
from memories.models import ArchivedMessage, Message

# In the memory the document is generated.
_NAMES = [str(field.column) for field in Message._meta.concrete_fields if field.name != "document"]
_COLUMNS = ", ".join(_NAMES)

_LOCK = """
    SELECT id FROM {table} WHERE tenant_id = %s AND id = ANY(%s::uuid[]) ORDER BY id FOR UPDATE
"""
_COPY_OUT = f"""
    INSERT INTO memories_archivedmessage (
        {_COLUMNS}, document, archived_at, archived_by, policy, reason, deleted_at, deleted_by, deletion_reason,
        last_recalled_at, jobs)
    SELECT {", ".join(f"m.{name}" for name in _NAMES)},
           m.document, %(now)s, %(run)s, leaving.policy, leaving.reason,
           CASE WHEN leaving.deleted THEN %(now)s END, CASE WHEN leaving.deleted THEN %(run)s::uuid END,
           CASE WHEN leaving.deleted THEN leaving.reason ELSE '' END,
           (SELECT last_recalled_at FROM memories_messagerecall r
            WHERE r.tenant_id = m.tenant_id AND r.message_id = m.id),
           coalesce((SELECT jsonb_agg(to_jsonb(job) - 'id' - 'tenant_id' - 'message_id' - 'lease_token')
                     FROM memories_embeddingjob job
                     WHERE job.tenant_id = m.tenant_id AND job.message_id = m.id), '[]')
    FROM unnest(%(ids)s::uuid[], %(policies)s::text[], %(reasons)s::text[], %(deleted)s::boolean[])
         AS leaving(id, policy, reason, deleted)
    JOIN memories_message m ON m.tenant_id = %(tenant)s AND m.id = leaving.id
"""  # noqa: S608 - made of the model's own columns
_COPY_VECTORS_OUT = """
    INSERT INTO memories_archivedembedding (tenant_id, message_id, space_id, part, bucket, searchable, embedding)
    SELECT e.tenant_id, e.message_id, e.space_id, e.part, e.bucket, NOT leaving.deleted, e.embedding
    FROM unnest(%(ids)s::uuid[], %(deleted)s::boolean[]) AS leaving(id, deleted)
    JOIN memories_messageembedding e ON e.tenant_id = %(tenant)s AND e.message_id = leaving.id
"""
_REMOVE = "DELETE FROM {table} WHERE tenant_id = %s AND id = ANY(%s::uuid[])"
_COPY_BACK = f"""
    INSERT INTO memories_message ({_COLUMNS}) SELECT {_COLUMNS} FROM memories_archivedmessage
    WHERE tenant_id = %s AND id = ANY(%s::uuid[]) ORDER BY external_id
    ON CONFLICT (tenant_id, external_id) WHERE external_id IS NOT NULL DO NOTHING
    RETURNING id
"""  # noqa: S608 - made of the model's own columns
# A bucket whose codebook is gone is 0, which is always searched; see the invariants of `codebooks`.
_COPY_VECTORS_BACK = """
    WITH held AS MATERIALIZED (
        SELECT space_id, bucket FROM memories_centroid WHERE tenant_id = %(tenant)s AND (space_id, bucket) IN (
            SELECT space_id, bucket FROM memories_archivedembedding
            WHERE tenant_id = %(tenant)s AND message_id = ANY(%(ids)s::uuid[]))
        FOR KEY SHARE)
    INSERT INTO memories_messageembedding (tenant_id, message_id, space_id, part, bucket, embedding)
    SELECT e.tenant_id, e.message_id, e.space_id, e.part, coalesce(held.bucket, 0), e.embedding
    FROM memories_archivedembedding e LEFT JOIN held USING (space_id, bucket)
    WHERE e.tenant_id = %(tenant)s AND e.message_id = ANY(%(ids)s::uuid[])
"""
_COPY_JOBS_BACK = """
    INSERT INTO memories_embeddingjob (
        tenant_id, message_id, space_id, attempts, last_error, next_attempt_at, created_at, buried_at)
    SELECT a.tenant_id, a.id, job.space_id, job.attempts, job.last_error, statement_timestamp(), job.created_at,
           job.buried_at
    FROM memories_archivedmessage a
    CROSS JOIN jsonb_to_recordset(a.jobs) AS job(
        space_id smallint, attempts smallint, last_error text, created_at timestamptz, buried_at timestamptz)
    JOIN memories_embeddingspace space ON space.id = job.space_id
    WHERE a.tenant_id = %(tenant)s AND a.id = ANY(%(ids)s::uuid[])
"""
# For spaces that came while they were away.
_ADD_JOBS = """
    INSERT INTO memories_embeddingjob (tenant_id, message_id, space_id, attempts, last_error)
    SELECT %(tenant)s, back.id, space.id, 0, '' FROM unnest(%(ids)s::uuid[]) AS back(id)
    CROSS JOIN (SELECT id FROM memories_embeddingspace FOR KEY SHARE) AS space
    WHERE NOT EXISTS (SELECT FROM memories_messageembedding e WHERE e.tenant_id = %(tenant)s
                      AND e.message_id = back.id AND e.space_id = space.id AND e.part = 0)
    ON CONFLICT (tenant_id, message_id, space_id) DO NOTHING
"""
_COPY_RECALLS_BACK = """
    INSERT INTO memories_messagerecall (tenant_id, message_id, last_recalled_at)
    SELECT tenant_id, id, last_recalled_at FROM memories_archivedmessage
    WHERE tenant_id = %(tenant)s AND id = ANY(%(ids)s::uuid[]) AND last_recalled_at IS NOT NULL
"""
_MARK = """
    UPDATE memories_archivedmessage SET deleted_at = %(now)s, deleted_by = %(run)s, deletion_reason = given.reason
    FROM unnest(%(ids)s::uuid[], %(reasons)s::text[]) AS given(id, reason)
    WHERE tenant_id = %(tenant)s AND memories_archivedmessage.id = given.id AND deleted_at IS NULL
"""
_SHOW_VECTORS = """
    UPDATE memories_archivedembedding SET searchable = %s
    WHERE tenant_id = %s AND message_id = ANY(%s::uuid[]) AND searchable IS DISTINCT FROM %s
"""


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """A message that leaves the memory: by which policy, why, and whether it is deleted rather than archived."""

    message_id: UUID
    policy: str
    reason: str
    deleted: bool = False


def lock_messages(*, tenant_id: int, ids: Iterable[UUID]) -> list[UUID]:
    """Hold these messages until the transaction ends; those that are there, by id. Others wait, so keep it short."""
    return _locked("memories_message", tenant_id, ids)


def lock_archived(*, tenant_id: int, ids: Iterable[UUID]) -> list[UUID]:
    """The same for archived messages."""
    return _locked("memories_archivedmessage", tenant_id, ids)


def to_archive(*, tenant_id: int, leaving: Sequence[Leaving], run_id: UUID | None, now: datetime) -> int:
    """Move messages that `lock_messages` holds to the archive; how many there were. `now` becomes archived_at."""
    if not leaving:
        return 0
    ids = [each.message_id for each in leaving]
    given: dict[str, Any] = {
        "tenant": tenant_id,
        "run": run_id,
        "now": now,
        "ids": ids,
        "policies": [each.policy for each in leaving],
        "reasons": [each.reason for each in leaving],
        "deleted": [each.deleted for each in leaving],
    }
    with connection.cursor() as cursor:
        cursor.execute(_COPY_OUT, given)
        cursor.execute(_COPY_VECTORS_OUT, given)
        # The database cascades to vectors, jobs and recalls.
        cursor.execute(_REMOVE.format(table="memories_message"), [tenant_id, ids])
        moved = cursor.rowcount
    caching.forget_answers([tenant_id])
    return int(moved)


def from_archive(*, tenant_id: int, ids: Iterable[UUID]) -> list[UUID]:
    """Move archived messages that `lock_archived` holds back as they were, marked as deleted or not; the ids of those.

    One whose external_id another message has taken meanwhile stays where it is.
    """
    with connection.cursor() as cursor:
        cursor.execute(_COPY_BACK, [tenant_id, list(ids)])
        back = [row[0] for row in cursor.fetchall()]
        given: dict[str, Any] = {"tenant": tenant_id, "ids": back}
        for statement in (_COPY_VECTORS_BACK, _COPY_JOBS_BACK, _ADD_JOBS, _COPY_RECALLS_BACK):
            cursor.execute(statement, given)
        cursor.execute(_REMOVE.format(table="memories_archivedmessage"), [tenant_id, back])
    if back:
        caching.forget_answers([tenant_id])
    return back


def mark_deleted(*, tenant_id: int, reasons: dict[UUID, str], run_id: UUID | None, now: datetime) -> int:
    """Take archived messages out of the archive's sight: id -> reason. They can be restored until they are purged."""
    ids = list(reasons)
    given: dict[str, Any] = {
        "tenant": tenant_id,
        "ids": ids,
        "reasons": list(reasons.values()),
        "run": run_id,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_MARK, given)
        marked = cursor.rowcount
        cursor.execute(_SHOW_VECTORS, [False, tenant_id, ids, False])
    caching.forget_answers([tenant_id])
    return int(marked)


def unmark_deleted(*, tenant_id: int, ids: Iterable[UUID]) -> int:
    """Back into the archive; how many were marked."""
    ids = list(ids)
    marked = ArchivedMessage.objects.filter(tenant_id=tenant_id, id__in=ids, deleted_at__isnull=False)
    count = marked.update(deleted_at=None, deleted_by=None, deletion_reason="")
    with connection.cursor() as cursor:
        cursor.execute(_SHOW_VECTORS, [True, tenant_id, ids, True])
    caching.forget_answers([tenant_id])
    return count


def purge(*, tenant_id: int, ids: Iterable[UUID]) -> int:
    """Remove what is marked as deleted, for good, with its vectors (the database cascades); how many messages."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM memories_archivedmessage
            WHERE tenant_id = %s AND id = ANY(%s::uuid[]) AND deleted_at IS NOT NULL
            """,
            [tenant_id, list(ids)],
        )
        return int(cursor.rowcount)


def _locked(table: str, tenant_id: int, ids: Iterable[UUID]) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(_LOCK.format(table=table), [tenant_id, list(ids)])
        return [row[0] for row in cursor.fetchall()]
