"""Azure OpenAI: the same models, called by the name of their deployment."""

from collections.abc import Sequence

import openai

from memories.embeddings.base import EmbeddingError, Fault, ProviderConfig, Vector
from memories.embeddings.openai_calls import time_limits, vectors_of


class AzureOpenAIProvider:
    """Needs AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY. The model stays what vectors are filed under."""

    def __init__(self, config: ProviderConfig) -> None:
        if not config.api_key or not config.base_url:
            raise EmbeddingError(
                "the provider azure_openai needs AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY",
                fault=Fault.SETUP,
            )
        # The SDK puts what it is told as the model into the path, where Azure expects the deployment.
        self._deployment = config.deployment or config.model
        self._dimensions = config.dimensions if config.send_dimensions else None
        self._client = openai.AzureOpenAI(
            azure_endpoint=config.base_url,
            api_key=config.api_key,
            api_version=config.api_version,
            timeout=time_limits(config.timeout_seconds),
            max_retries=0,
        )

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """One vector per text; EmbeddingError otherwise."""
        return vectors_of(
            self._client, texts, model=self._deployment, dimensions=self._dimensions, packed=True
        )
