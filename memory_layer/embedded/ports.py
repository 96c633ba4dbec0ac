"""Which port the web process gets."""

import errno
import socket
from collections.abc import Mapping

from memory_layer.embedded.errors import EmbeddedError

DEFAULT_PORT = 8000
TRIES = 50


def wanted_port(environ: Mapping[str, str]) -> int:
    """PORT, as platforms set it, before MEMORY_PORT."""
    name = "PORT" if environ.get("PORT") else "MEMORY_PORT"
    text = environ.get(name) or str(DEFAULT_PORT)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise EmbeddedError(f"{name} is {text!r}; it must be a number from 1 to 65535.")
    return int(text)


def free_port(host: str, wanted: int) -> int:
    """`wanted`, or the next port that can be bound.

    Another process may take it before the web server does, which then says so; its restart tries again.
    Raises EmbeddedError when the address is not ours or nothing is free.
    """
    for port in range(wanted, min(wanted + TRIES, 65536)):
        if _can_bind(host, port):
            return port
    raise EmbeddedError(f"No free port from {wanted} on. Set PORT to one that is free.")


def _can_bind(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as the web server does: TIME_WAIT is no obstacle
        try:
            probe.bind((host.strip("[]"), port))
            probe.listen(1)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise EmbeddedError(f"Cannot listen on {host}: {error.strerror}. Check MEMORY_HOST.") from error
    return True
