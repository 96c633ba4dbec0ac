"""What a legal hold is on is neither deleted nor written over: the look before either, and the refusal.

Holds are placed by `retention`, which stands above this room, so its table is asked by name.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db import connection

# One walk through the unique index of the active holds, whose subjects are never empty but for a tenant's.
_ON_MESSAGE = """
    SELECT h.id, h.kind, h.placed_at FROM memories_message m JOIN retention_legalhold h ON h.tenant_id = m.tenant_id
    WHERE m.tenant_id = %s AND m.id = %s AND h.released_at IS NULL
      AND (h.kind, h.subject) IN (('tenant', ''), ('user', m.user_id), ('conversation', m.conversation_id))
    ORDER BY h.placed_at, h.id
"""


class Hold(NamedTuple):
    """An active legal hold, without whom it is on."""

    id: int
    kind: str
    placed_at: datetime


class Held(Exception):
    """Legal holds stand against it; the message names them, and nothing of what they hold."""

    def __init__(self, holds: Sequence[Hold]) -> None:
        super().__init__(
            " ".join(
                f"Legal hold {hold.id} on a {hold.kind} covers what would be lost "
                f"(placed {hold.placed_at.date().isoformat()}). It must be released first."
                for hold in holds
            )
        )


def on_message(*, tenant_id: int, message_id: UUID) -> list[Hold]:
    """The active legal holds that are on it, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_ON_MESSAGE, [tenant_id, message_id])
        return [Hold(*row) for row in cursor.fetchall()]


def refuse_if_held(*, tenant_id: int, message_id: UUID) -> None:
    """Raises Held if active legal holds are on the message.

    In the transaction that deletes it or writes over it. A hold that is committed after this look comes after the loss,
    which is then a matter of milliseconds: as for the chunk of an erasure or a run, no lock makes the two wait.
    """
    if holds := on_message(tenant_id=tenant_id, message_id=message_id):
        raise Held(holds)
