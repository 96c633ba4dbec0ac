"""A request of granian's as a WSGI environ. Pure.

Header names with an underscore are dropped: in an environ `X_Forwarded_For` would pass for `X-Forwarded-For`, which a
proxy in front has checked. Values that are not ASCII are not handed on by granian.
"""

import io
import sys
from typing import Any

_ALWAYS = {
    "SCRIPT_NAME": "",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "wsgi.errors": sys.stderr,
    "wsgi.version": (1, 0),
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}
_OWN_NAMES = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


def environ_of(scope: Any, body: bytes, length: int | None) -> dict[str, Any]:
    """PEP 3333's environ. `length` is what the body is said to have, which may be more than was read; None: no body."""
    host, _, port = scope.server.rpartition(":")
    environ = {
        **_ALWAYS,
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": _as_latin(scope.path),
        "QUERY_STRING": _as_latin(scope.query_string),
        "SERVER_NAME": host.strip("[]"),
        "SERVER_PORT": port,
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(body),
    }
    for name, value in scope.headers.items():
        if "_" in name:
            continue
        key = _OWN_NAMES.get(name) or "HTTP_" + name.replace("-", "_").upper()
        if key in environ:
            environ[key] += ("; " if name == "cookie" else ",") + value
        else:
            environ[key] = value
    if length is not None:
        environ["CONTENT_LENGTH"] = str(length)
    return environ


def _as_latin(text: str) -> str:
    """WSGI's texts hold bytes."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")
