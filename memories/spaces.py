"""Embedding spaces: vectors of one model at one number of dimensions, the only ones that can be compared.

The active space's row, not the settings, says which model ingest and search use: a changed setting must not mix
vectors of two models. The settings make the first space of an installation.
"""

from memories.embeddings import Identity, configured
from memories.models import EmbeddingSpace


def active_space() -> EmbeddingSpace:
    """The space that ingest fills and search reads; the first use of an installation makes it from the settings."""
    space, _ = EmbeddingSpace.objects.get_or_create(active=True, defaults=configured()._asdict())
    return space


def identity_of(space: EmbeddingSpace) -> Identity:
    """What makes vectors for this space."""
    return Identity(space.provider, space.model, space.dimensions)
