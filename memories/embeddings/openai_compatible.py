"""Any server that speaks OpenAI's embeddings API: Ollama, vLLM, TEI, LM Studio, a gateway."""

from collections.abc import Sequence

import openai

from memories.embeddings.base import EmbeddingError, Fault, ProviderConfig, Vector
from memories.embeddings.openai_calls import time_limits, vectors_of

# The SDK insists on a key; servers that want none ignore this one.
NO_KEY = "none"


class OpenAICompatibleProvider:
    """Needs MEMORY_EMBEDDING_BASE_URL. Asks for a number of dimensions only if told to: many servers refuse that."""

    def __init__(self, config: ProviderConfig) -> None:
        if not config.base_url or not config.model:
            raise EmbeddingError(
                "the provider openai_compatible needs MEMORY_EMBEDDING_BASE_URL and MEMORY_EMBEDDING_MODEL",
                fault=Fault.SETUP,
            )
        self._model = config.model
        self._dimensions = config.dimensions if config.send_dimensions else None
        self._client = openai.OpenAI(
            api_key=config.api_key or NO_KEY,
            base_url=config.base_url,
            timeout=time_limits(config.timeout_seconds),
            max_retries=0,
        )

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """One vector per text; EmbeddingError otherwise."""
        return vectors_of(self._client, texts, model=self._model, dimensions=self._dimensions, packed=False)
