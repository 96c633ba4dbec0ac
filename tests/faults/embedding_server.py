"""A server that speaks OpenAI's embeddings API, slowly and badly on order: for runs of a whole stack."""

import hashlib
import json
import math
import random
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DIMENSIONS = 64
MODEL = "made-up"


def vector_of(text: str) -> list[float]:
    """A unit vector that only this text has, so that a mixed-up one is seen."""
    seed = hashlib.sha512(text.encode()).digest() * 4
    raw = [number / 2**31 - 1 for number in struct.unpack(f">{DIMENSIONS}I", seed[: DIMENSIONS * 4])]
    norm = math.hypot(*raw)
    return [number / norm for number in raw]


@dataclass
class EmbeddingServer:
    """Answers from its own threads; `with` starts and stops it."""

    fault_share: float = 0.0
    latency_seconds: float = 0.0
    calls: int = 0
    faults: int = 0
    texts: int = 0
    _dice: random.Random = field(default_factory=lambda: random.Random(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> "EmbeddingServer":
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def settings(self) -> dict[str, str]:
        """What a stack needs to use it."""
        return {
            "MEMORY_EMBEDDING_PROVIDER": "openai",
            "MEMORY_EMBEDDING_MODEL": MODEL,
            "MEMORY_EMBEDDING_DIMENSIONS": str(DIMENSIONS),
            "MEMORY_EMBEDDING_BASE_URL": f"http://127.0.0.1:{self._http.server_port}/v1",
            "MEMORY_EMBEDDING_TIMEOUT_SECONDS": "2",
            "OPENAI_API_KEY": "sk-for-a-local-server",
        }

    def fault(self, texts: int) -> str:
        """Count a call and say what goes wrong with it; empty: nothing."""
        with self._lock:
            self.calls += 1
            if self._dice.random() < self.fault_share:
                self.faults += 1
                return self._dice.choice(
                    ["429", "500", "503", "hang", "reset", "html", "empty", "nan", "short"]
                )
            self.texts += texts
            return ""


def _handler(server: EmbeddingServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            fault = server.fault(len(body["input"]))
            time.sleep(2.5 if fault == "hang" else server.latency_seconds)
            if fault == "reset":
                self.close_connection = True
                self.connection.close()
                return
            status, text = _answer(body["input"], fault)
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if fault == "html" else "application/json")
            self.send_header("Content-Length", str(len(text)))
            if fault == "429":
                self.send_header("Retry-After", "1")
            self.end_headers()
            self.wfile.write(text)

        def handle(self) -> None:
            try:
                super().handle()
            except (OSError, ValueError):
                return  # the client hung up, as it should after a time-out

        def log_message(self, *_: object) -> None:
            """Not to the terminal."""

    return Handler


def _answer(texts: list[str], fault: str) -> tuple[int, bytes]:
    if fault.isdecimal():
        return int(fault), b"{}"
    if fault == "html":
        return 200, b"<html>a proxy</html>"
    rows: list[dict[str, Any]] = [{"index": n, "embedding": vector_of(text)} for n, text in enumerate(texts)]
    if fault == "nan":
        rows[0]["embedding"] = [float("nan")] * DIMENSIONS
    if fault == "short":
        rows.pop()
    data = [] if fault == "empty" else list(reversed(rows))
    usage = {"prompt_tokens": sum(len(text) // 4 + 1 for text in texts), "total_tokens": 0}
    return 200, json.dumps({"object": "list", "model": MODEL, "data": data, "usage": usage}).encode()
