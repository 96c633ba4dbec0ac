"""Embedding providers: a table of names, and one instance per process.

To add a provider: copy the nearest file beside this one, add its row to PROVIDERS and its name to
MEMORY_EMBEDDING_PROVIDER in memory_layer/env.py.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from django.conf import settings
from django.utils.module_loading import import_string

from memories.embeddings.base import EmbeddingError, Fault, Provider, ProviderConfig, Vector, checked

__all__ = ["PROVIDERS", "EmbeddingError", "Fault", "Identity", "Vector", "configured", "embed", "warm_up"]


class Registered(NamedTuple):
    """A row of the table: where the provider's class is, and the model it uses when none is named."""

    path: str
    default_model: str
    needs_key: bool = False


PROVIDERS = {
    "local": Registered("memories.embeddings.local.LocalProvider", "l2_supercat"),
    "mock": Registered("memories.embeddings.mock.MockProvider", "hashed-words"),
    "openai": Registered(
        "memories.embeddings.openai.OpenAIProvider", "text-embedding-3-small", needs_key=True
    ),
}


class Identity(NamedTuple):
    """What makes vectors comparable: only those of one identity are."""

    provider: str
    model: str
    dimensions: int


def configured() -> Identity:
    """What the settings ask for; nothing is loaded."""
    env = settings.ENV
    model = env.embedding_model or PROVIDERS[env.embedding_provider].default_model
    return Identity(env.embedding_provider, model, env.embedding_dimensions)


@cache
def provider_of(identity: Identity) -> Provider:
    """The provider, loaded at first use: after the fork, once per process.

    Raises EmbeddingError (SETUP) where it is misconfigured; that is not remembered, the next call tries again.
    """
    env = settings.ENV
    if identity.provider not in PROVIDERS:
        raise EmbeddingError(f"there is no embedding provider {identity.provider!r}", fault=Fault.SETUP)
    provider: Provider = import_string(PROVIDERS[identity.provider].path)(
        ProviderConfig(
            model=identity.model,
            dimensions=identity.dimensions,
            base_url=env.embedding_base_url,
            api_key=env.openai_api_key.get_secret_value(),
            timeout_seconds=env.embedding_timeout_seconds,
        )
    )
    return provider


def embed(texts: Sequence[str], identity: Identity | None = None) -> list[Vector]:
    """One unit vector per text, in order, of that identity (default: the configured one); EmbeddingError otherwise."""
    identity = identity or configured()
    return checked(provider_of(identity).embed(texts), count=len(texts), dimensions=identity.dimensions)


def warm_up() -> None:
    """Load the model now, so that the first request does not wait for it. A wrong set-up is left to health."""
    try:
        embed(["warm up"])
    except EmbeddingError:
        return
