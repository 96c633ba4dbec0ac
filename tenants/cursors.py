"""Cursors of lists: the place of the last row, opaque to clients. Pure."""

import base64
import binascii


def pack(*parts: object) -> str:
    """The parts of a place as one opaque word; none of them may contain `|`."""
    return base64.urlsafe_b64encode("|".join(map(str, parts)).encode()).decode()


def unpack(cursor: str, parts: int) -> list[str]:
    """So many parts; ValueError for anything that `pack` did not make of that many."""
    try:
        found = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode().split("|")
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if len(found) != parts:
        raise ValueError(f"{len(found)} parts, not {parts}")
    return found
