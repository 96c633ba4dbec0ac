"""The table of providers, and what the settings make of them.

To add a provider: copy the nearest file beside this one, add its row to PROVIDERS and its name to
MEMORY_EMBEDDING_PROVIDER in memory_layer/env.py.
"""

from functools import cache
from typing import NamedTuple

from django.conf import settings
from django.utils.module_loading import import_string

from memories.embeddings.base import EmbeddingError, Fault, Identity, Provider, ProviderConfig


class Registered(NamedTuple):
    """A row of the table: where the provider's class is, its model when none is named, what it needs and has."""

    path: str
    default_model: str = ""
    needs: tuple[str, ...] = ()  # variables without which it cannot work
    dimensions: int | None = None  # where there is but one number of them
    forked: bool = (
        False  # made before a worker forks its processes, it serves all of them from the same memory
    )
    remote: bool = False  # a call costs money or network: search remembers its vectors, a breaker guards it


PROVIDERS = {
    "local": Registered(
        "memories.embeddings.local.LocalProvider", "l2_supercat", dimensions=256, forked=True
    ),
    "mock": Registered("memories.embeddings.mock.MockProvider", "hashed-words"),
    "openai": Registered(
        "memories.embeddings.openai.OpenAIProvider",
        "text-embedding-3-small",
        needs=("OPENAI_API_KEY",),
        remote=True,
    ),
    "azure_openai": Registered(
        "memories.embeddings.azure_openai.AzureOpenAIProvider",
        "text-embedding-3-small",
        needs=("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY"),
        remote=True,
    ),
    "openai_compatible": Registered(
        "memories.embeddings.openai_compatible.OpenAICompatibleProvider",
        needs=("MEMORY_EMBEDDING_BASE_URL", "MEMORY_EMBEDDING_MODEL"),
        remote=True,
    ),
    "sentence_transformers": Registered(
        "memories.embeddings.sentence_transformers.SentenceTransformersProvider",
        needs=("MEMORY_EMBEDDING_MODEL",),
    ),
}


def is_remote(identity: Identity) -> bool:
    """Whether a call leaves this process."""
    return identity.provider in PROVIDERS and PROVIDERS[identity.provider].remote


def configured() -> Identity:
    """What the settings ask for; nothing is loaded."""
    env = settings.ENV
    model = env.embedding_model or PROVIDERS[env.embedding_provider].default_model
    return Identity(env.embedding_provider, model, env.embedding_dimensions)


def provider_of(identity: Identity) -> Provider:
    """The provider, loaded at first use, once per process and settings.

    Raises EmbeddingError (SETUP) where it is misconfigured; that is not remembered, the next call tries again.
    """
    if identity.provider not in PROVIDERS:
        raise EmbeddingError(f"there is no embedding provider {identity.provider!r}", fault=Fault.SETUP)
    return _made(PROVIDERS[identity.provider].path, config_of(identity))


@cache
def _made(path: str, config: ProviderConfig) -> Provider:
    provider: Provider = import_string(path)(config)
    return provider


def config_of(identity: Identity) -> ProviderConfig:
    """What the settings say about the identity's provider. Raises EmbeddingError (SETUP), see _deployment."""
    env = settings.ENV
    base_url, key, send_dimensions = env.embedding_base_url, env.openai_api_key, True
    deployment = ""
    if identity.provider == "azure_openai":
        base_url, key = env.azure_openai_endpoint, env.azure_openai_api_key
        deployment = _deployment(identity)
    elif identity.provider == "openai_compatible":
        key, send_dimensions = env.embedding_api_key, env.embedding_send_dimensions
    return ProviderConfig(
        model=identity.model,
        dimensions=identity.dimensions,
        base_url=base_url,
        api_key=key.get_secret_value(),
        timeout_seconds=env.embedding_timeout_seconds,
        send_dimensions=send_dimensions,
        deployment=deployment,
        api_version=env.azure_openai_api_version,
    )


def _deployment(identity: Identity) -> str:
    """A deployment is one model. Asked for another, it would give that one's vectors, and nobody would notice."""
    deployment: str = settings.ENV.azure_openai_deployment
    if deployment and identity.model != configured().model:
        raise EmbeddingError(
            f"AZURE_OPENAI_DEPLOYMENT is the deployment of {configured().model}, not of {identity.model}",
            fault=Fault.SETUP,
        )
    return deployment
