"""Embedding providers behind one door: embed(). How to add one: registry.py."""

from collections.abc import Sequence
from contextlib import suppress

import structlog
from django.conf import settings

from memories import metrics
from memories.embeddings.base import EmbeddingError, Fault, Identity, Provider, Vector, checked
from memories.embeddings.breaker import guarded, state
from memories.embeddings.registry import PROVIDERS, configured, is_remote, provider_of

__all__ = [
    "HARMLESS",
    "PROVIDERS",
    "EmbeddingError",
    "Fault",
    "Identity",
    "Vector",
    "checked",
    "configured",
    "embed",
    "make_before_fork",
    "resting",
    "stand_in",
    "warm_up",
]

log = structlog.get_logger(__name__)

# Nobody's words, and nothing that a model could refuse.
HARMLESS = "hello"


def embed(texts: Sequence[str], identity: Identity | None = None) -> list[Vector]:
    """One unit vector per text, in order, of that identity (default: the configured one); EmbeddingError otherwise.

    A provider that is down, or wrongly set up, is stood in for by MEMORY_EMBEDDING_FAILOVER, if that is set; what
    both say is told as the first one's error, with the longer of their waits.
    """
    identity = identity or configured()
    try:
        return _asked(identity, texts)
    except EmbeddingError as error:
        other = stand_in(identity)
        if other is None or error.fault is Fault.TEXT:
            raise
        metrics.FAILOVERS.labels(identity.provider, error.fault.value).inc()
        log.warning("embedding_failover", provider=identity.provider, to=other.provider, error=str(error))
        try:
            return _asked(other, texts)
        except EmbeddingError as second:
            if second.fault is Fault.TEXT:
                raise
            error.retry_after_seconds = max(error.retry_after_seconds, second.retry_after_seconds)
        raise


def stand_in(identity: Identity) -> Identity | None:
    """Who else has the same model: its vectors are filed under the first one's identity.

    Only for what the settings ask for: of an older space's model the second provider may know nothing.
    """
    other = settings.ENV.embedding_failover
    return identity._replace(provider=other) if other and identity == configured() else None


def resting(identity: Identity) -> bool:
    """Whether nobody would be asked now: the breaker is open until its next probe, and so is the stand-in's.

    A misconfigured provider does not rest: its error is to reach the jobs, where people look for it.
    """
    askable = [each for each in (identity, stand_in(identity)) if each]
    try:
        return all(is_remote(each) and state(each).state == "open" for each in askable)
    except EmbeddingError:
        return False


def warm_up() -> None:
    """Load the model now, so that the first request does not wait for it. A wrong set-up is left to health.

    Of a remote provider only the client is made: a start must neither cost money nor wait for somebody else.
    """
    with suppress(EmbeddingError):
        if is_remote(configured()):
            provider_of(configured())
        else:
            embed([HARMLESS])


def make_before_fork() -> None:
    """Load the model for all processes to come, but not one whose threads would be missing in them."""
    with suppress(EmbeddingError):
        if PROVIDERS[configured().provider].forked:
            provider_of(configured())


def _asked(identity: Identity, texts: Sequence[str]) -> list[Vector]:
    """From this provider alone, through its breaker if it has one."""
    try:
        provider = provider_of(identity)
        if not is_remote(identity):
            return _vectors(provider, identity, texts)
        with guarded(identity):
            return _confirmed(provider, identity, texts)
    except EmbeddingError as error:
        if error.fault is Fault.SETUP:
            metrics.SETUP_FAULTS.labels(identity.provider).inc()
        raise


def _confirmed(provider: Provider, identity: Identity, texts: Sequence[str]) -> list[Vector]:
    """A single text's refusal buries it, so it is believed only if a harmless text passes and the second try fails.

    A server that refuses everything (wrong model, `dimensions` not understood: also HTTP 400) is a wrong set-up.
    """
    try:
        return _vectors(provider, identity, texts)
    except EmbeddingError as error:
        if error.fault is not Fault.TEXT or len(texts) > 1:
            raise
        try:
            _vectors(provider, identity, [HARMLESS])
        except EmbeddingError as second:
            if second.fault is Fault.TEXT:
                raise EmbeddingError(f"every text is refused: {error}", fault=Fault.SETUP) from error
            raise
        return _vectors(provider, identity, texts)


def _vectors(provider: Provider, identity: Identity, texts: Sequence[str]) -> list[Vector]:
    outcome = "error"
    try:
        with metrics.EMBEDDING_CALL_SECONDS.labels(identity.provider).time():
            vectors = checked(provider.embed(texts), count=len(texts), dimensions=identity.dimensions)
        outcome = "ok"
    except EmbeddingError as error:
        outcome = error.fault.value
        raise
    finally:
        metrics.EMBEDDING_CALLS.labels(identity.provider, outcome).inc()
    return vectors
