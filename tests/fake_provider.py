"""A local server that speaks OpenAI's and Azure's embeddings API, and misbehaves on order, call by call."""

import base64
import hashlib
import json
import math
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

from pydantic import SecretStr
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from memories.embeddings import Identity

MODEL, DIMENSIONS = "made-up", 8
REMOTE = ("openai", "azure_openai", "openai_compatible")
TIMEOUT_SECONDS = 0.4


def vector_of(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """Not of length 1, and only this text's: a vector that went to the wrong text is seen."""
    digest = b"".join(hashlib.sha256(f"{n}:{text}".encode()).digest() for n in range(dimensions // 8 + 1))
    return [number / 2**30 - 2 for number in struct.unpack(f">{dimensions}I", digest[: 4 * dimensions])]


def unit_vector_of(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """What embed() must answer."""
    vector = vector_of(text, dimensions)
    return [number / math.hypot(*vector) for number in vector]


class FakeProvider:
    """Calls are answered by `orders`, in turn; when none is left, rightly."""

    def __init__(self, server: HTTPServer) -> None:
        self.orders: list[str | int | tuple[int, dict[str, str]]] = []
        self.always: str | int = ""
        self.calls: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: list[Any] = []
        self.refused = ""  # texts with this in them are refused with status 400
        self.released = threading.Event()
        self.url = server.url_for("").rstrip("/")
        server.expect_request("/v1/embeddings").respond_with_handler(self._answer)
        server.expect_request(f"/openai/deployments/{MODEL}/embeddings").respond_with_handler(self._answer)

    def settings(self, provider: str = "openai", **changes: Any) -> dict[str, Any]:
        """For settings.ENV.model_copy(update=...)."""
        return {
            "embedding_provider": provider,
            "embedding_model": MODEL,
            "embedding_dimensions": DIMENSIONS,
            "embedding_timeout_seconds": TIMEOUT_SECONDS,
            "embedding_base_url": f"{self.url}/v1",
            "openai_api_key": SecretStr("sk-openai"),
            "azure_openai_endpoint": self.url,
            "azure_openai_api_key": SecretStr("key-of-azure"),
        } | changes

    def _answer(self, request: Request) -> Response:
        body = request.get_json()
        self.calls.append(body)
        self.paths.append(request.full_path.rstrip("?"))
        self.headers.append(request.headers)
        order = self.orders.pop(0) if self.orders else self.always
        if self.refused and any(self.refused in text for text in body["input"]):
            order = 400
        if isinstance(order, tuple):
            return Response("{}", order[0], order[1], content_type="application/json")
        if isinstance(order, int):
            return Response('{"error": {"message": "no"}}', order, content_type="application/json")
        if order in UNREADABLE:
            return UNREADABLE[order](self, request)
        rows = _data(body["input"], order, body.get("dimensions", DIMENSIONS))
        packed = body["encoding_format"] == "base64" and order != "numbers"
        return _json([row | {"embedding": _packed(row["embedding"])} for row in rows] if packed else rows)


def identity(provider: str) -> Identity:
    """Of the fake's only model."""
    return Identity(provider, MODEL, DIMENSIONS)


def _json(data: Any) -> Response:
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    body = {"object": "list", "model": MODEL, "data": data, "usage": usage}
    return Response(json.dumps(body), content_type="application/json")


def _data(texts: list[str], order: str, dimensions: int) -> list[dict[str, Any]]:
    rows = [
        {"object": "embedding", "index": n, "embedding": vector_of(text, dimensions)}
        for n, text in enumerate(texts)
    ]
    return ROWS[order](rows) if order else rows


def _packed(embedding: Any) -> Any:
    """As OpenAI answers whoever asks for base64."""
    if not isinstance(embedding, list):
        return embedding
    return base64.b64encode(struct.pack(f"<{len(embedding)}f", *embedding)).decode()


def _hang(fake: FakeProvider, _: Request) -> Response:
    fake.released.wait(5)
    return Response("{}")


def _reset(_: FakeProvider, request: Request) -> Response:
    """Linger 0: the client sees a reset, not an end."""
    connection = request.environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    return Response("")


def _with_first(rows: list[dict[str, Any]], embedding: Any) -> list[dict[str, Any]]:
    return [rows[0] | {"embedding": embedding}, *rows[1:]]


UNREADABLE: dict[str, Callable[[FakeProvider, Request], Response]] = {
    "hang": _hang,
    "reset": _reset,
    "html": lambda *_: Response("<html>a proxy</html>", content_type="text/html"),
    "not json": lambda *_: Response("{", content_type="application/json"),
    "bad gzip": lambda *_: Response(
        "{}", headers={"Content-Encoding": "gzip"}, content_type="application/json"
    ),
    "no data": lambda *_: Response("{}", content_type="application/json"),
    "a list": lambda *_: Response("[]", content_type="application/json"),
}
ROWS: dict[str, Callable[[list[dict[str, Any]]], list[dict[str, Any]]]] = {
    "empty": lambda rows: [],
    "short": lambda rows: rows[:-1],
    "twice": lambda rows: [*rows, rows[0]],
    "same index": lambda rows: [row | {"index": 0} for row in rows],
    "reversed": lambda rows: rows[::-1],
    "NaN": lambda rows: _with_first(rows, [math.nan] * DIMENSIONS),
    "infinite": lambda rows: _with_first(rows, [math.inf] * DIMENSIONS),
    "zeros": lambda rows: _with_first(rows, [0.0] * DIMENSIONS),
    "null": lambda rows: _with_first(rows, None),
    "half a number": lambda rows: _with_first(rows, base64.b64encode(bytes(4 * DIMENSIONS - 1)).decode()),
    "no base64": lambda rows: _with_first(rows, "?"),
    "base64 unasked": lambda rows: [row | {"embedding": _packed(row["embedding"])} for row in rows],
    "numbers": lambda rows: rows,
    "too few dimensions": lambda rows: [row | {"embedding": row["embedding"][:2]} for row in rows],
}
