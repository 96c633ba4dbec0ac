"""Where a search looks: in the memory, or in the memory and the archive.

The statements of search take their tables from here, as what stands after FROM. With the archive that is a UNION ALL
under the same name: the conditions that `filters` makes go on working, and PostgreSQL hands them down into both parts,
where each has its own indexes. So there is one search, and the archive costs nothing where it is not asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from memories import statements, whole_messages
from memories.models import Message
from memories.whole_messages import WholeMessage

Ids = Sequence[str]
Sql = tuple[str, list[Any]]

# The views have no texts, and indexes serve any condition on them: see `tenants.row_security.ViewForSearch`.
_COLUMNS = ", ".join(str(field.column) for field in Message._meta.concrete_fields if field.name != "content")
_MEMORY = ("memories_messageforsearch AS memories_message", "")
_ARCHIVE = ("memories_archivedmessageforsearch AS memories_message", "AND deleted_at IS NULL")
# An archived vector is in bucket 0, which is always searched: codebooks are made of live vectors, and may be gone.
_VECTOR_COLUMNS = "tenant_id, message_id, space_id, part, {} AS bucket, embedding"


@dataclass(frozen=True, kw_only=True)
class Tables:
    """What the statements of search read: `messages` as memories_message, `embeddings` as memories_messageembedding.

    `messages` have no content, and are for any condition, together with the tenant's; `messages_by_words` are the same
    for the index of words alone. `whole_messages` have the content, and are for rows by their id.
    `parts`: the tables that `messages` is made of, each as memories_message, with the condition on its rows. `readers`:
    who reads whole rows, one after the other, until all are found.
    """

    messages: str
    messages_by_words: str
    whole_messages: str
    embeddings: str
    parts: Sequence[tuple[str, str]]
    readers: Sequence[Callable[[int, Ids], Sequence[WholeMessage]]]

    def newest(self, tenant_id: int, filters: Sql, *, limit: int) -> list[tuple[UUID, datetime]]:
        """Ids of the newest messages that pass, with their created_at, newest first. One statement."""
        sql, params = self.first(tenant_id, filters, order="created_at DESC, id DESC", limit=limit)
        return cast(list[tuple[UUID, datetime]], statements.rows_of(tenant_id, sql, params))

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

    def whole(self, tenant_id: int, ids: Ids) -> dict[str, WholeMessage]:
        """Id -> message, as far as they are there."""
        found: dict[str, WholeMessage] = {}
        for read in self.readers:
            missing = [each for each in ids if each not in found]
            if missing:
                found.update((row.id, row) for row in read(tenant_id, missing))
        return found


LIVE = Tables(
    messages=_MEMORY[0],
    messages_by_words="memories_messageforwords AS memories_message",
    whole_messages="memories_message",
    embeddings="memories_messageembedding",
    parts=[_MEMORY],
    readers=(whole_messages.live,),
)
# Whole rows are read once more from the memory: what was restored between the two looks is there.
WITH_ARCHIVE = Tables(
    messages=f"""(SELECT {_COLUMNS} FROM memories_messageforsearch UNION ALL
                  SELECT {_COLUMNS} FROM memories_archivedmessageforsearch
                  WHERE deleted_at IS NULL) AS memories_message""",
    messages_by_words=f"""(SELECT {_COLUMNS} FROM memories_messageforwords UNION ALL
                           SELECT {_COLUMNS} FROM memories_archivedmessageforwords
                           WHERE deleted_at IS NULL) AS memories_message""",
    whole_messages=f"""(SELECT {_COLUMNS}, content FROM memories_message UNION ALL
                        SELECT {_COLUMNS}, content FROM memories_archivedmessage
                        WHERE deleted_at IS NULL) AS memories_message""",
    parts=[_MEMORY, _ARCHIVE],
    embeddings=f"""(SELECT {_VECTOR_COLUMNS.format("bucket")} FROM memories_messageembedding UNION ALL
                    SELECT {_VECTOR_COLUMNS.format("0")} FROM memories_archivedembedding
                    WHERE searchable) AS memories_messageembedding""",
    readers=(whole_messages.live, whole_messages.archived, whole_messages.live),
)
_OF: Mapping[bool, Tables] = {False: LIVE, True: WITH_ARCHIVE}


def tables(*, include_archived: bool) -> Tables:
    """Where to look."""
    return _OF[include_archived]
