"""Cursors of lists of messages: the place of the last one, opaque to clients. Pure."""

from datetime import datetime
from uuid import UUID

from tenants.cursors import pack as pack
from tenants.cursors import unpack as unpack


def encode(created_at: datetime, message_id: UUID) -> str:
    """The place after this message."""
    return pack(created_at.isoformat(), message_id)


def decode(cursor: str) -> tuple[datetime, UUID]:
    """The message of a cursor; ValueError for anything that `encode` did not make."""
    moment, message_id = unpack(cursor, 2)
    created_at = datetime.fromisoformat(moment)
    if created_at.tzinfo is None:
        raise ValueError("no offset")
    return created_at, UUID(message_id)
