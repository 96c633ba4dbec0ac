"""What the providers that speak OpenAI's embeddings API have in common: the call, and what its failures mean."""

import base64
import json
import struct
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

import openai

from memories.embeddings.base import EmbeddingError, Fault, Vector
from memories.embeddings.batches import CERTAIN_BYTES, cut, split
from memories.embeddings.usage import count
from tenants import spans

CONNECT_SECONDS = 5.0
# A clock gone wrong must not put jobs off for ever.
LONGEST_RETRY_AFTER_SECONDS = 24 * 60 * 60.0
# As `client.embeddings.create` asks, but for its look at each field of the request and at each number of the answer,
# which took as long as all the rest of the call.
_BY_KEY = openai.RequestOptions(security={"bearer_auth": True})


def time_limits(timeout_seconds: float) -> openai.Timeout:
    """The SDK's own is 600 s, three times. Retries live in the job row, so that they outlast the process."""
    return openai.Timeout(timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds))


def vectors_of(
    client: openai.OpenAI, texts: Sequence[str], *, model: str, dimensions: int | None, packed: bool
) -> list[Vector]:
    """One vector per text, in order; `dimensions` None: the server is not asked for a number of them.

    `packed`: asked for in base64, a third of the bytes of decimals, read in half the time; not every server that speaks
    this API knows it. What comes is read either way. As many calls as the API's limits need, one after the other; if
    one fails, all that was got is thrown away. Raises EmbeddingError.
    """
    asked: dict[str, Any] = {"model": model, "encoding_format": "base64" if packed else "float"}
    if dimensions is not None:
        asked["dimensions"] = dimensions
    vectors: list[Vector] = []
    for batch in split(texts):
        vectors += _certain(client, batch, asked)
    return vectors


def _certain(client: openai.OpenAI, batch: list[str], asked: Mapping[str, Any]) -> list[Vector]:
    """A long text that is refused alone gets a second try at the length that no tokenizer finds too long."""
    try:
        return _call(client, batch, asked)
    except EmbeddingError as error:
        short = cut(batch[0], CERTAIN_BYTES)
        if error.fault is not Fault.TEXT or len(batch) > 1 or short == batch[0]:
            raise
        return _call(client, [short], asked)


def _call(client: openai.OpenAI, batch: list[str], asked: Mapping[str, Any]) -> list[Vector]:
    try:
        with spans.span(
            "POST embeddings", calls_out=True, texts=len(batch), **_server(client, asked["model"])
        ):
            answer = client.post(
                "/embeddings", body={"input": batch, **asked}, cast_to=bytes, options=_BY_KEY
            )
        body = json.loads(answer)
        rows = sorted(body["data"], key=lambda row: row["index"])
        indexes = [row["index"] for row in rows]
        vectors = [_numbers(row["embedding"]) for row in rows]
        usage = body.get("usage")
    except openai.OpenAIError as error:
        raise _translated(error) from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, struct.error) as error:
        # A proxy's HTML with status 200, or an answer without data: the SDK lets these through. Not every
        # exception: Celery's time limit is one that must not be taken for the provider's.
        raise EmbeddingError(f"unreadable answer: {type(error).__name__}", fault=Fault.PROVIDER) from error
    if indexes != list(range(len(batch))):
        raise EmbeddingError(
            f"asked for {len(batch)} vectors, got indexes {indexes[:5]}…", fault=Fault.PROVIDER
        )
    count(usage.get("prompt_tokens") if isinstance(usage, dict) else None)
    return vectors


def _numbers(embedding: str | list[float]) -> list[float]:
    """Base64 is of float32, little-endian."""
    if isinstance(embedding, str):
        packed = base64.b64decode(embedding, validate=True)
        return list(struct.unpack(f"<{len(packed) // 4}f", packed))
    return [float(number) for number in embedding]


def _server(client: openai.OpenAI, model: str) -> dict[str, str]:
    """Whom a span says was asked; the host alone, as an address may hold a password."""
    return {"server.address": client.base_url.host, "gen_ai.request.model": model}


def _translated(error: openai.OpenAIError) -> EmbeddingError:
    """OpenAI's error in our terms. Its text may quote the input, so only its kind is kept."""
    status = getattr(error, "status_code", None)
    kind = type(error).__name__ + (f" (HTTP {status})" if status else "")
    code = getattr(error, "code", None)
    if status in (401, 403, 404) or code == "insufficient_quota":
        return EmbeddingError(kind, fault=Fault.SETUP)
    if status in (400, 413, 422):
        return EmbeddingError(kind, fault=Fault.TEXT)
    return EmbeddingError(kind, fault=Fault.PROVIDER, retry_after_seconds=_retry_after(error))


def _retry_after(error: openai.OpenAIError) -> float:
    """Seconds to wait, from a number or an HTTP date; 0 for none and for nonsense."""
    response = getattr(error, "response", None)
    value = response.headers.get("retry-after", "") if response is not None else ""
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):
            return 0.0
    # The order matters: max() and min() pass a NaN through only as their first argument.
    return min(LONGEST_RETRY_AFTER_SECONDS, max(0.0, seconds))
