"""HTTP for the clients of benchmarks, who share the processors with what they measure.

http.client reads the head of an answer as if it were a letter, which took 0.2 of the 0.4 ms of a client's request. Here
only what a benchmark needs is read: the status, how long the body is, and whether the connection ends.
"""

import re
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

SECONDS = 60
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ENDS = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


class Connection:
    """A kept connection, opened with the first request and again where the server ends it. Not for several threads."""

    def __init__(self, address: str, headers: Mapping[str, str]) -> None:
        host = urlsplit(address)
        self._address = (host.hostname or "", host.port or 80)
        said = "".join(
            f"{name}: {value}\r\n" for name, value in ({"Host": host.netloc} | dict(headers)).items()
        )
        self._headers = said.encode()
        self._socket: socket.socket | None = None

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """The status and the body of the answer. `body`: JSON. OSError where there is no whole answer."""
        about = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body) if body else b""
        connected = self._connected()
        connected.sendall(
            b"%s %s HTTP/1.1\r\n%s%s\r\n%s" % (method.encode(), path.encode(), self._headers, about, body)
        )
        head, answer = self._head(connected)
        if (length := _LENGTH.search(head)) is None:
            raise OSError(f"an answer of unknown length: {head[:300].decode(errors='replace')}")
        while len(answer) < int(length[1]):
            answer += _more(connected)
        if _ENDS.search(head):
            self.close()
        return int(head[9:12]), answer

    def close(self) -> None:
        """It may be used again afterwards, and connects anew."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    @staticmethod
    def _head(connected: socket.socket) -> tuple[bytes, bytes]:
        """The head of the answer, and what came with it of the body."""
        came = b""
        while b"\r\n\r\n" not in came:
            came += _more(connected)
        head, _, rest = came.partition(b"\r\n\r\n")
        return head, rest


def _more(connected: socket.socket) -> bytes:
    part = connected.recv(256 * 1024)
    if not part:
        raise OSError("the server closed the connection")
    return part
