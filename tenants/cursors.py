"""Cursors of lists: the place of the last row, opaque to clients. Pure."""

import base64
import binascii
from datetime import datetime
from uuid import UUID

# PostgreSQL's bigint: a larger number is no id.
ID_MAX = 2**63 - 1


def pack(*parts: object) -> str:
    """The parts of a place as one opaque word; none of them may contain `|`."""
    return base64.urlsafe_b64encode("|".join(map(str, parts)).encode()).decode()


def unpack_numbers(cursor: str, parts: int) -> list[int]:
    """So many ids; ValueError for anything that is none."""
    return [_number(part) for part in unpack(cursor, parts)]


def unpack(cursor: str, parts: int) -> list[str]:
    """So many parts; ValueError for anything that `pack` did not make of that many."""
    try:
        found = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode().split("|")
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if len(found) != parts:
        raise ValueError(f"{len(found)} parts, not {parts}")
    return found


def encode(moment: datetime, row_id: UUID | int) -> str:
    """The place after this row: a moment, and an id that breaks ties."""
    return pack(moment.isoformat(), row_id)


def decode(cursor: str) -> tuple[datetime, UUID]:
    """The moment and id of a cursor; ValueError for anything that `encode` did not make."""
    moment, row_id = unpack(cursor, 2)
    return _moment(moment), UUID(row_id)


def decode_numbered(cursor: str) -> tuple[datetime, int]:
    """The same of rows that have a number."""
    moment, row_id = unpack(cursor, 2)
    return _moment(moment), _number(row_id)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no offset")
    return moment


def _number(text: str) -> int:
    number = int(text)
    if not 0 <= number <= ID_MAX:
        raise ValueError("no id")
    return number
