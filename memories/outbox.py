"""Messages and their embedding jobs, written together: a message without a job would never be embedded."""

import json
from collections.abc import Sequence
from uuid import UUID

from django.db import connection
from django.db.models.functions import Now

from memories.models import EmbeddingJob, EmbeddingSpace, Message

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
_ARRAYS = ", ".join(f"%s::{kind}[]" for kind in _COLUMNS.values())
# In the order of external_id, so that two batches with the same ids in another order wait and do not deadlock.
# The spaces are locked against deletion while it runs: one that is being dropped is passed over, not tripped over.
# The tenant's language is read here, because a process may remember one that has just changed.
# A foreign key is checked at the end of the statement, when both rows are there.
_INSERT = f"""
    WITH space AS MATERIALIZED (SELECT id FROM memories_embeddingspace FOR KEY SHARE), stored AS (
        INSERT INTO memories_message (tenant_id, language, {_NAMES})
        SELECT %s, (SELECT language FROM tenants_tenant WHERE id = %s), *
        FROM unnest({_ARRAYS}) AS new({_NAMES})
        ORDER BY external_id
        ON CONFLICT (tenant_id, external_id) WHERE external_id IS NOT NULL DO NOTHING
        RETURNING id)
    INSERT INTO memories_embeddingjob (tenant_id, message_id, space_id, attempts, last_error)
    SELECT %s, stored.id, space.id, 0, '' FROM stored CROSS JOIN space
    RETURNING message_id
"""  # noqa: S608 - made of the constants above


def insert(messages: Sequence[Message], *, tenant_id: int) -> set[UUID]:
    """Insert messages of one tenant, and a job for each and every space; the ids of those whose external_id was free.

    Waits for a transaction that is storing the same external_id. IntegrityError where another constraint refuses.
    """
    columns = [[_value(message, name) for message in messages] for name in _COLUMNS]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [tenant_id, tenant_id, *columns, tenant_id])
        return {row[0] for row in cursor.fetchall()}


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


def _value(message: Message, name: str) -> object:
    value = getattr(message, name)
    return json.dumps(value) if name == "metadata" else value
