"""Cursors of message lists: the place of the last row, opaque to clients. Pure."""

import base64
import binascii
from datetime import datetime
from uuid import UUID


def encode(created_at: datetime, message_id: UUID) -> str:
    """The place after this row."""
    return base64.urlsafe_b64encode(f"{created_at.isoformat()}|{message_id}".encode()).decode()


def decode(cursor: str) -> tuple[datetime, UUID]:
    """The row of a cursor; ValueError for anything that `encode` did not make."""
    try:
        moment, _, message_id = (
            base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode().partition("|")
        )
    except binascii.Error as error:
        raise ValueError("not base64") from error
    created_at = datetime.fromisoformat(moment)
    if created_at.tzinfo is None:
        raise ValueError("no offset")
    return created_at, UUID(message_id)
