"""OpenAI's embeddings API, or any server that speaks it (MEMORY_EMBEDDING_BASE_URL)."""

from collections.abc import Sequence

import openai

from memories.embeddings.base import EmbeddingError, Fault, ProviderConfig, Vector

CONNECT_SECONDS = 5.0


class OpenAIProvider:
    """One HTTP call per batch. Retries live in the job row, not here, so that they outlast the process."""

    def __init__(self, config: ProviderConfig) -> None:
        if not config.api_key:
            raise EmbeddingError("the provider openai needs OPENAI_API_KEY", fault=Fault.SETUP)
        self.model = config.model
        self.dimensions = config.dimensions
        self._client = openai.OpenAI(
            api_key=config.api_key,
            base_url=config.base_url or None,
            timeout=openai.Timeout(config.timeout_seconds, connect=CONNECT_SECONDS),
            max_retries=0,
        )

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """One vector per text, put in order by the answer's indexes."""
        try:
            # Asked for floats: the SDK's own default, base64, breaks on some compatible servers.
            answer = self._client.embeddings.create(
                model=self.model, input=list(texts), dimensions=self.dimensions, encoding_format="float"
            )
            rows = sorted(answer.data, key=lambda row: row.index)
            indexes = [row.index for row in rows]
        except openai.APIError as error:
            raise _translated(error) from error
        except (AttributeError, TypeError, ValueError) as error:
            # A proxy's HTML with status 200, or an answer without data: the SDK lets these through.
            raise EmbeddingError(
                f"unreadable answer: {type(error).__name__}", fault=Fault.PROVIDER
            ) from error
        if indexes != list(range(len(texts))):
            raise EmbeddingError(
                f"asked for {len(texts)} vectors, got indexes {indexes[:5]}…", fault=Fault.PROVIDER
            )
        return [row.embedding for row in rows]


def _translated(error: openai.APIError) -> EmbeddingError:
    """OpenAI's error in our terms. Its text may quote the input, so only its kind is kept."""
    status = getattr(error, "status_code", None)
    kind = f"{type(error).__name__}" + (f" (HTTP {status})" if status else "")
    if status in (400, 413, 422):
        return EmbeddingError(kind, fault=Fault.TEXT)
    if status in (401, 403, 404):
        return EmbeddingError(kind, fault=Fault.SETUP)
    return EmbeddingError(kind, fault=Fault.PROVIDER, retry_after_seconds=_retry_after(error))


def _retry_after(error: openai.APIError) -> float:
    response = getattr(error, "response", None)
    value = response.headers.get("retry-after", "") if response is not None else ""
    return float(value) if value.replace(".", "", 1).isdigit() else 0.0
