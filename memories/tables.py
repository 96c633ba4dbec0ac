"""Where a search looks: in the memory, or in the memory and the archive.

The statements of search take their tables from here, as what stands after FROM. With the archive that is a UNION ALL
under the same name: the conditions that `filters` makes go on working, and PostgreSQL hands them down into both parts,
where each has its own indexes. So there is one search, and the archive costs nothing where it is not asked for.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, cast
from uuid import UUID

from memories import statements
from memories.models import ArchivedMessage, Message, MessageFields
from memories.querysets import FAILED, PENDING, READY

Ids = Sequence[str]
Sql = tuple[str, list[Any]]

_COLUMNS = ", ".join(str(field.column) for field in Message._meta.concrete_fields)
_MEMORY = ("memories_message", "")
_ARCHIVE = ("memories_archivedmessage AS memories_message", "AND deleted_at IS NULL")
# An archived vector is in bucket 0, which is always searched: codebooks are made of live vectors, and may be gone.
_VECTOR_COLUMNS = "tenant_id, message_id, space_id, part, {} AS bucket, embedding"
# No job and no vector: the space came while it was away, and it gets its job when it comes back.
_ARCHIVED = """
    SELECT {columns},
           CASE WHEN job.buried THEN '{failed}' WHEN job.buried IS NULL AND EXISTS (
               SELECT FROM memories_archivedembedding e JOIN memories_embeddingspace s ON s.id = e.space_id AND s.active
               WHERE e.tenant_id = m.tenant_id AND e.message_id = m.id AND e.part = 0) THEN '{ready}'
           ELSE '{pending}' END
    FROM memories_archivedmessage m LEFT JOIN LATERAL (
        SELECT bool_or(j.buried_at IS NOT NULL) AS buried
        FROM jsonb_to_recordset(m.jobs) AS j(space_id smallint, buried_at timestamptz)
        JOIN memories_embeddingspace s ON s.id = j.space_id AND s.active) AS job ON true
    WHERE m.tenant_id = %s::bigint AND m.id = ANY(%s::uuid[]) AND m.deleted_at IS NULL
"""


@dataclass(frozen=True, kw_only=True)
class Tables:
    """What the statements of search read: `messages` as memories_message, `embeddings` as memories_messageembedding.

    `parts`: the tables that `messages` is made of, each as memories_message, with the condition on its rows. `readers`:
    who reads whole rows, one after the other, until all are found.
    """

    messages: str
    embeddings: str
    parts: Sequence[tuple[str, str]]
    readers: Sequence[Callable[[int, Ids], Sequence[MessageFields]]]

    def newest(self, tenant_id: int, filters: Sql, *, limit: int) -> list[tuple[UUID, datetime]]:
        """Ids of the newest messages that pass, with their created_at, newest first. One statement."""
        sql, params = self.first(tenant_id, filters, order="created_at DESC, id DESC", limit=limit)
        return cast(list[tuple[UUID, datetime]], statements.rows(sql, params))

    def first(self, tenant_id: int, filters: Sql, *, order: str, limit: int) -> Sql:
        """A SELECT of id and created_at of the messages that pass and come first in an order.

        Each part gives its own first ones, by its index: of a UNION ALL with a condition PostgreSQL sorts all rows.
        """
        where, params = filters
        firsts = [
            f"""(SELECT id, created_at FROM {table} WHERE tenant_id = %s::bigint {condition}
                 {"AND " + where if where else ""} ORDER BY {order} LIMIT {int(limit)})"""
            for table, condition in self.parts
        ]
        given = [tenant_id, *params] * len(firsts)
        if len(firsts) == 1:
            return firsts[0], given
        return f"{' UNION ALL '.join(firsts)} ORDER BY {order} LIMIT {int(limit)}", given

    def whole(self, tenant_id: int, ids: Ids) -> dict[str, MessageFields]:
        """Id -> message with its `embedding_status`, as far as they are there."""
        found: dict[str, MessageFields] = {}
        for read in self.readers:
            missing = [each for each in ids if each not in found]
            if missing:
                found.update((str(row.id), row) for row in read(tenant_id, missing))
        return found


def _live(tenant_id: int, ids: Ids) -> Sequence[Message]:
    return Message.objects.whole(tenant_id, ids)


def _archived(tenant_id: int, ids: Ids) -> Sequence[ArchivedMessage]:
    sql, names = _archived_sql()
    found = []
    for *values, job_state in statements.rows(sql, [tenant_id, list(ids)]):
        message = ArchivedMessage.from_db("default", names, values)
        message.metadata = json.loads(cast(str, message.metadata))
        message.__dict__["job_state"] = job_state
        found.append(message)
    return found


@cache
def _archived_sql() -> Sql:
    """The statement, and the attributes that its columns fill, followed by the embedding status."""
    unread = {"document", "language", "stored_at", "word_count", "last_recalled_at", "jobs"}
    names = [field.attname for field in ArchivedMessage._meta.concrete_fields if field.attname not in unread]
    columns = ", ".join("m.metadata::text" if name == "metadata" else f"m.{name}" for name in names)
    return _ARCHIVED.format(columns=columns, failed=FAILED, ready=READY, pending=PENDING), names


LIVE = Tables(
    messages="memories_message",
    embeddings="memories_messageembedding",
    parts=[_MEMORY],
    readers=(_live,),
)
# Whole rows are read once more from the memory: what was restored between the two looks is there.
WITH_ARCHIVE = Tables(
    messages=f"""(SELECT {_COLUMNS} FROM memories_message UNION ALL
                  SELECT {_COLUMNS} FROM memories_archivedmessage WHERE deleted_at IS NULL) AS memories_message""",
    parts=[_MEMORY, _ARCHIVE],
    embeddings=f"""(SELECT {_VECTOR_COLUMNS.format("bucket")} FROM memories_messageembedding UNION ALL
                    SELECT {_VECTOR_COLUMNS.format("0")} FROM memories_archivedembedding
                    WHERE searchable) AS memories_messageembedding""",
    readers=(_live, _archived, _live),
)
_OF: Mapping[bool, Tables] = {False: LIVE, True: WITH_ARCHIVE}


def tables(*, include_archived: bool) -> Tables:
    """Where to look."""
    return _OF[include_archived]
