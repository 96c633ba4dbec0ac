"""OpenAI's embeddings API: text-embedding-3-small and -large, shortened to MEMORY_EMBEDDING_DIMENSIONS."""

from collections.abc import Sequence

import openai

from memories.embeddings.base import EmbeddingError, Fault, ProviderConfig, Vector
from memories.embeddings.openai_calls import time_limits, vectors_of

# Named, so that an OPENAI_BASE_URL meant for something else sends nobody's messages elsewhere.
BASE_URL = "https://api.openai.com/v1"


class OpenAIProvider:
    """Needs OPENAI_API_KEY; MEMORY_EMBEDDING_BASE_URL names a proxy before it."""

    def __init__(self, config: ProviderConfig) -> None:
        if not config.api_key:
            raise EmbeddingError("the provider openai needs OPENAI_API_KEY", fault=Fault.SETUP)
        self._model = config.model
        self._dimensions = config.dimensions
        self._client = openai.OpenAI(
            api_key=config.api_key,
            base_url=config.base_url or BASE_URL,
            timeout=time_limits(config.timeout_seconds),
            max_retries=0,
        )

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """One vector per text; EmbeddingError otherwise."""
        return vectors_of(self._client, texts, model=self._model, dimensions=self._dimensions, packed=True)
