"""Embedding spaces: vectors of one model at one number of dimensions, the only ones that can be compared.

The active space's row, not the settings, says which model ingest and search use: a changed setting must not mix
vectors of two models. The settings make the first space of an installation.
"""

from memories.embeddings import Identity, configured
from memories.models import EmbeddingSpace
from tenants.ttl_cache import TtlCache

# How long a process may go on with the space that was active: it is kept up like any other, so answers stay whole.
REMEMBERED_SECONDS = 5.0
_ACTIVE: TtlCache[str, EmbeddingSpace | None] = TtlCache(seconds=REMEMBERED_SECONDS, size=1)


def active_space() -> EmbeddingSpace:
    """The space that search reads, as it was at most REMEMBERED_SECONDS ago.

    The first use of an installation makes it from the settings. Found, it is remembered; made, it is not: the caller's
    transaction may be rolled back, and messages would be stored for a space that is not there, without a job.
    """
    return _ACTIVE.remembered("active", _read_active) or _make_active()


def forget_active_space() -> None:
    """Another one is active now; other processes notice within REMEMBERED_SECONDS."""
    _ACTIVE.forget()


def _read_active() -> EmbeddingSpace | None:
    return EmbeddingSpace.objects.filter(active=True).first()


def _make_active() -> EmbeddingSpace:
    space, _ = EmbeddingSpace.objects.get_or_create(active=True, defaults=configured()._asdict())
    return space


def identity_of(space: EmbeddingSpace) -> Identity:
    """What makes vectors for this space."""
    return Identity(space.provider, space.model, space.dimensions)
