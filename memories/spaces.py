"""Embedding spaces: which one is active, and whether the settings still mean it."""

from memories.embeddings import Identity, configured
from memories.models import EmbeddingSpace


class SpaceMismatch(Exception):
    """The settings name another model than the one that made the stored vectors."""


def active_space() -> EmbeddingSpace:
    """The space that ingest fills and search reads; the first use of an installation makes it from the settings."""
    space, _ = EmbeddingSpace.objects.get_or_create(active=True, defaults=configured()._asdict())
    return space


def usable_space() -> EmbeddingSpace:
    """The active space; SpaceMismatch if the configured provider cannot make vectors for it.

    Vectors of two models are not comparable: storing or searching with the wrong one would be silently wrong.
    """
    space = active_space()
    stored = Identity(space.provider, space.model, space.dimensions)
    if stored != configured():
        raise SpaceMismatch(f"The stored vectors are of {stored}, the settings ask for {configured()}.")
    return space
