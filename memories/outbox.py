"""Messages and their embedding jobs, written together: a message without a job would never be embedded.

An external_id belongs to one message, here or in the archive, unless that is marked as deleted. Here a unique index
sees to it; for the archive the insert looks there. It may miss one that is being archived in this moment: then it has
waited at the unique index until that was committed, and a second look, after the row is there, sees it.
"""

import json
from collections.abc import Sequence
from uuid import UUID

from django.db.models.functions import Now

from memories import statements, suppression
from memories.models import EmbeddingJob, EmbeddingSpace, Message, Subject
from memories.tables import WITH_ARCHIVE

# Column -> array type. One statement over arrays takes a sixth of the time of two bulk_create().
_COLUMNS = {
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
    "importance_is_explicit": "boolean",
    "pinned": "boolean",
    "word_count": "int",
    "created_at": "timestamptz",
}
_NAMES = ", ".join(_COLUMNS)
_ARRAYS = ", ".join(f"%({name})s::{kind}[]" for name, kind in _COLUMNS.items())
# In the order of external_id, so that two batches with the same ids in another order wait and do not deadlock.
# The spaces are locked against deletion while it runs: one that is being dropped is passed over, not tripped over.
# The tenant's language is read here, because a process may remember one that has just changed.
# A foreign key is checked at the end of the statement, when both rows are there.
# Each call of memories_archive_holds sees what is committed by then: 3 us, and none where there is no external_id.
# The erased are looked for here and not before: erasure waits for statements that began before it, and for no others.
_INSERT = f"""
    WITH space AS MATERIALIZED (SELECT id FROM memories_embeddingspace FOR KEY SHARE), stored AS (
        INSERT INTO memories_message (tenant_id, language, {_NAMES})
        SELECT %(tenant)s::bigint, (SELECT language FROM tenants_tenant WHERE id = %(tenant)s::bigint), {_NAMES}
        FROM unnest({_ARRAYS}, %(users)s::bytea[], %(conversations)s::bytea[])
            AS new({_NAMES}, user_digest, conversation_digest)
        WHERE created_at > ALL(ARRAY(
            SELECT erased_at FROM memories_suppression
            WHERE tenant_id = %(tenant)s::bigint AND digest IN (user_digest, conversation_digest)))
            AND memories_archive_holds(%(tenant)s::bigint, external_id) IS NOT TRUE
        ORDER BY external_id
        ON CONFLICT (tenant_id, external_id) WHERE external_id IS NOT NULL DO NOTHING
        RETURNING id, external_id), jobs AS (
        INSERT INTO memories_embeddingjob (tenant_id, message_id, space_id, attempts, last_error)
        SELECT %(tenant)s::bigint, stored.id, space.id, 0, '' FROM stored CROSS JOIN space
        RETURNING message_id)
    SELECT id, memories_archive_holds(%(tenant)s::bigint, external_id)
    FROM stored WHERE id IN (SELECT message_id FROM jobs)
"""
_TAKE_BACK = "DELETE FROM memories_message WHERE tenant_id = %s::bigint AND id = ANY(%s::uuid[]) RETURNING id"


def insert(messages: Sequence[Message], *, tenant_id: int) -> set[UUID]:
    """Insert messages of one tenant, and a job for each and every space; the ids of those that were inserted.

    The others' external_id is taken, or they belong to somebody who was erased (`suppression.refused` tells). Waits
    for a transaction that is storing the same external_id. IntegrityError where another constraint refuses.
    """
    digests = suppression.digests(messages, tenant_id=tenant_id)
    columns = {name: statements.array(_value(message, name) for message in messages) for name in _COLUMNS}
    rest = {
        "tenant": tenant_id,
        "users": _texts(digests[Subject.USER]),
        "conversations": _texts(digests[Subject.CONVERSATION]),
    }
    inserted = statements.rows(_INSERT, columns | rest)
    late = [message_id for message_id, held in inserted if held]
    return {message_id for message_id, _ in inserted} - _taken_back(late, tenant_id)


def holders(external_ids: Sequence[str], *, tenant_id: int) -> list[str]:
    """Ids of the messages with these external_ids, here or in the archive. One snapshot: none is moved past it."""
    found = statements.rows_of(
        tenant_id,
        f"""SELECT id::text FROM {WITH_ARCHIVE.messages}
            WHERE tenant_id = %s::bigint AND external_id = ANY(%s::text[])""",
        [tenant_id, list(external_ids)],
    )
    return [message_id for (message_id,) in found]


def _taken_back(late: Sequence[UUID], tenant_id: int) -> set[UUID]:
    """Those that the second look has found in the archive, removed again."""
    if not late:
        return set()
    taken = statements.rows(_TAKE_BACK, [tenant_id, statements.simple_array(late)])
    return {message_id for (message_id,) in taken}


def enqueue_again(message: Message) -> None:
    """Fresh jobs, or the running ones with their lease taken away: the old text's vector cannot land after this."""
    EmbeddingJob.objects.bulk_create(
        [
            EmbeddingJob(
                tenant_id=message.tenant_id, message_id=message.id, space=space, next_attempt_at=Now()
            )
            for space in EmbeddingSpace.objects.order_by("id")
        ],
        update_conflicts=True,
        unique_fields=["tenant", "message_id", "space"],
        update_fields=["next_attempt_at", "lease_token", "attempts", "last_error", "buried_at"],
    )


def _texts(digests: Sequence[bytes | None]) -> str:
    """An array of bytea."""
    return statements.array(None if digest is None else rf"\x{digest.hex()}" for digest in digests)


def _value(message: Message, name: str) -> object:
    value = getattr(message, name)
    return json.dumps(value) if name == "metadata" else value
