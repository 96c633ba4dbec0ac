"""The embedder of all systems that are compared: the `local` model behind OpenAI's API, a WSGI application.

Its answers are those of a real provider without the network: who calls it too often pays for it. It runs in
processes of its own, whose CPU time is counted for nobody.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from memories.embeddings.base import ProviderConfig
from memories.embeddings.local import LocalProvider
from memories.local_model import DIMENSIONS
from tests.benchmarks.peers import MODEL

_LOCAL = LocalProvider(
    ProviderConfig(model="l2_supercat", dimensions=DIMENSIONS, base_url="", api_key="", timeout_seconds=1)
)
# Eight digits, as OpenAI writes them: all 17 of a Python float take three times as long to write, and twice to read.
_VECTOR = "[" + ", ".join(["%.8g"] * DIMENSIONS) + "]"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """POST /v1/embeddings; any other path only says that it is there."""
    headers = [("Content-Type", "application/json")]
    if not environ["PATH_INFO"].endswith("/embeddings"):
        start_response("200 OK", headers)
        return [b"{}"]
    body = json.loads(environ["wsgi.input"].read())
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    rows = [
        f'{{"object": "embedding", "index": {index}, "embedding": {_VECTOR % tuple(vector)}}}'
        for index, vector in enumerate(_LOCAL.embed(texts))
    ]
    tokens = sum(len(text) // 4 + 1 for text in texts)
    usage = json.dumps({"prompt_tokens": tokens, "total_tokens": tokens})
    answer = (
        f'{{"object": "list", "model": "{MODEL}", "data": [{", ".join(rows)}], "usage": {usage}}}'.encode()
    )
    start_response("200 OK", [*headers, ("Content-Length", str(len(answer)))])
    return [answer]
