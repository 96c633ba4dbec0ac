"""Reading a body before a thread is taken: whole, in time, and no more of all at once than fits.

A client that sends a byte a second holds a connection and a coroutine, for SECONDS, and nothing that others wait for.
"""

import asyncio
from typing import Any

from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]

SECONDS = 30.0
# Of one process, all that is being read together.
HELD_BYTES = 64 * 1024 * 1024
# Said to be no longer, a body is read in one step, which wakes the event loop once and not for each part and the end.
# All connections together may hold as much of these as HELD_BYTES.
SHORT_BYTES = 64 * 1024


class Unreadable(Exception):
    """The body did not come as it should have."""

    status, detail = 400, "The body ended before it was whole."


class TooSlow(Unreadable):
    """It was not there in time."""

    status, detail = 408, f"The body did not arrive within {SECONDS:.0f} seconds. Nothing was done."


class TooManyBodies(Unreadable):
    """Others send large ones at the same time."""

    status, detail = 503, "Too many large bodies arrive at once. Nothing was done; try again."


class Bodies:
    """Reads bodies of at most `most` bytes."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.held = 0

    async def read(self, protocol: Any, declared: int | None) -> tuple[bytes, int]:
        """The body and its length; of a longer one nothing, or no more than shows that it is longer.

        `declared` is its Content-Length; None: it is chunked. Raises Unreadable.
        """
        if declared is not None and declared > self.most:
            return b"", declared
        try:
            async with asyncio.timeout(SECONDS):
                if declared is not None and declared <= SHORT_BYTES:
                    body = await protocol()
                    length = len(body)
                else:
                    body, length = await self._in_parts(protocol)
        except TimeoutError as error:
            raise TooSlow from error
        except ProtocolClosed as error:  # the client has gone, or says that it sends no more
            raise Unreadable from error
        if declared is not None and length != declared:
            raise Unreadable
        return body, length

    async def _in_parts(self, protocol: Any) -> tuple[bytes, int]:
        parts: list[bytes] = []
        length = 0
        try:
            async for part in protocol:
                length += len(part)
                self.held += len(part)
                if length > self.most:
                    return b"", length
                if self.held > HELD_BYTES:
                    raise TooManyBodies
                parts.append(part)
        finally:
            self.held -= length
        return b"".join(parts), length
