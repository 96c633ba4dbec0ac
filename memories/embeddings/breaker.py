"""Circuit breaker: a provider that keeps failing is left alone, and asked by one probe per interval.

Invariants:
- All processes share one circuit per provider. Letting a probe through moves the next one an interval away in the same
  step, so that there is at most one per interval, whatever dies, hangs or runs beside it.
- Without Redis each process goes on with a circuit of its own: more probes than one, but no call is lost.
- A circuit's name is made of what is called and with which key: a corrected setting starts with a closed one.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache

import structlog
from django.conf import settings
from django.utils.crypto import salted_hmac

from memories import metrics
from memories.embeddings import circuit_store
from memories.embeddings.base import EmbeddingError, Fault, Identity, ProviderConfig
from memories.embeddings.circuit import Circuit
from memories.embeddings.registry import config_of

log = structlog.get_logger(__name__)

# Whose circuit the caller has just seen to be closed.
_seen_closed: ContextVar[Identity | None] = ContextVar("seen_closed", default=None)


@dataclass(frozen=True, kw_only=True)
class BreakerState:
    """What health shows: closed, open or half-open, failures in a row, the seconds to the next probe, and why."""

    state: str
    failures: int
    seconds_to_probe: float
    reason: str


def key_of(identity: Identity) -> str:
    """Redis's key of the circuit, for who looks at Redis anyhow; of a misconfigured provider one that nobody has."""
    try:
        return circuit_store.key_of(_name(identity))
    except EmbeddingError:
        return circuit_store.key_of("")


@contextmanager
def seen_closed(identity: Identity) -> Iterator[None]:
    """Redis has just been seen to have nothing by `key_of`: the next call, in this thread, need not look again."""
    token = _seen_closed.set(identity)
    try:
        yield
    finally:
        _seen_closed.reset(token)


@contextmanager
def guarded(identity: Identity) -> Iterator[None]:
    """Around one call. Raises EmbeddingError at once while the breaker is open, with the seconds to the next probe.

    A refused text is an answer: the provider is well.
    """
    name = _name(identity)
    failing = _admit(name, identity)
    try:
        yield
    except EmbeddingError as error:
        if error.fault is not Fault.TEXT:
            _record(name, identity, error)
        elif failing:
            _close(name, identity)
        raise
    # A provider that is well costs one look, not two.
    if failing:
        _close(name, identity)


def state(identity: Identity) -> BreakerState:
    """Changes nothing. Raises EmbeddingError (SETUP) where the provider is misconfigured."""
    _, circuit, now = circuit_store.change(_name(identity), lambda circuit, _: circuit)
    return BreakerState(
        state=circuit.state(now),
        failures=circuit.failures,
        seconds_to_probe=round(max(0.0, circuit.until - now), 1),
        reason=circuit.reason,
    )


def _admit(name: str, identity: Identity) -> bool:
    """Whether calls have failed just before this one. Raises EmbeddingError while the breaker is open."""
    if _seen_closed.get() == identity and not circuit_store.is_alone():
        return False
    interval = settings.ENV.embedding_breaker_seconds
    circuit, _, now = circuit_store.change(
        name, lambda circuit, now: circuit.asked(now, interval_seconds=interval)
    )
    if circuit.state(now) == "open":
        wait = circuit.until - now
        raise EmbeddingError(
            f"{identity.provider} is left alone for {math.ceil(wait)} s "
            f"after {circuit.failures} failures: {circuit.reason}",
            fault=Fault(circuit.fault),
            retry_after_seconds=wait,
        )
    return circuit.failures > 0


def _record(name: str, identity: Identity, error: EmbeddingError) -> None:
    env = settings.ENV

    def fail(circuit: Circuit, now: float) -> Circuit:
        return circuit.failed(
            error,
            now,
            threshold=env.embedding_breaker_failures,
            interval_seconds=env.embedding_breaker_seconds,
        )

    before, after, _ = circuit_store.change(name, fail)
    if after.until and not before.until:
        metrics.BREAKER_OPENINGS.labels(identity.provider, error.fault.value).inc()
        log.warning("breaker_opened", provider=identity.provider, fault=error.fault.value, error=str(error))


def _close(name: str, identity: Identity) -> None:
    before, _, _ = circuit_store.change(name, lambda *_: Circuit())
    if before.until:
        log.info("breaker_closed", provider=identity.provider)


def _name(identity: Identity) -> str:
    """Keyed with the installation's secret: Redis must not help to guess a provider's key."""
    return _named(identity, config_of(identity), settings.SECRET_KEY)


@lru_cache(maxsize=16)
def _named(identity: Identity, config: ProviderConfig, secret: str) -> str:
    parts = (*map(str, identity), config.base_url, config.deployment, config.api_version, config.api_key)
    digest = salted_hmac("memories.breaker", chr(0).join(parts), secret).hexdigest()
    return f"{identity.provider}:{digest[:16]}"
