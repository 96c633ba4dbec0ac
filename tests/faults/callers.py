"""A client of a stack that breaks: what went wrong has a name, and the next call begins anew."""

import contextlib
import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from tests.stack import Stack

# A client's own patience with one answer.
ANSWER_SECONDS = 15
KINDS: dict[type[Exception], str] = {
    ConnectionRefusedError: "refused",
    ConnectionResetError: "reset",
    BrokenPipeError: "reset",
    http.client.RemoteDisconnected: "reset",
    http.client.IncompleteRead: "cut off",
    TimeoutError: "time-out",
}
_addresses: dict[int, str] = {}


class Caller:
    """A kept-alive connection that is made anew after each failure, to wherever the stack is then."""

    def __init__(self, stack: Stack, *, seconds: float = ANSWER_SECONDS) -> None:
        self.stack, self.seconds = stack, seconds
        self.connection: http.client.HTTPConnection | None = None

    def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and JSON. Raises what `KINDS` names."""
        try:
            if self.connection is None:
                where = urlsplit(address_of(self.stack)).netloc
                self.connection = http.client.HTTPConnection(where, timeout=self.seconds)
            sent = {"Content-Type": "application/json", **(headers or {})}
            self.connection.request(method, path, None if body is None else json.dumps(body), sent)
            answer = self.connection.getresponse()
            text = answer.read()
            if answer.will_close:
                self.hang_up()
            return answer.status, json.loads(text) if text.startswith((b"{", b"[")) else text
        except BaseException:
            self.hang_up()
            raise

    def hang_up(self) -> None:
        """Close the connection."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def address_of(stack: Stack) -> str:
    """Where it serves, or served last: while it starts, its banner is not there yet."""
    with contextlib.suppress(StopIteration):
        _addresses[id(stack)] = stack.address()
    return _addresses[id(stack)]
