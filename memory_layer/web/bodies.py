"""Reading a body before a thread is taken: whole, in time, and no more of all at once than fits.

A client that sends a byte a second holds a connection and a coroutine, for SECONDS, and nothing that others wait for.
"""

import asyncio
from typing import Any

SECONDS = 30.0
# Of one process, all that is being read together.
HELD_BYTES = 64 * 1024 * 1024


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
        parts: list[bytes] = []
        length = 0
        try:
            async with asyncio.timeout(SECONDS):
                async for part in protocol:
                    length += len(part)
                    self.held += len(part)
                    if length > self.most:
                        return b"", length
                    if self.held > HELD_BYTES:
                        raise TooManyBodies
                    parts.append(part)
        except TimeoutError as error:
            raise TooSlow from error
        finally:
            self.held -= length
        if declared is not None and length != declared:
            raise Unreadable
        return b"".join(parts), length
