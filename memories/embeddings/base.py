"""What every embedding provider promises, and how its answers are checked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol

Vector = list[float]


class Identity(NamedTuple):
    """What makes vectors comparable: only those of one identity are."""

    provider: str
    model: str
    dimensions: int


class Fault(Enum):
    """Whose fault a failed call is: it decides what may help."""

    PROVIDER = "provider"  # down, slow, rate limited: the same call may work later
    TEXT = "text"  # one of the texts is refused: the others may work without it
    SETUP = "setup"  # key, model or dimensions are wrong: nothing works until a person acts


class EmbeddingError(Exception):
    """No vectors, and why. `retry_after_seconds`: asking sooner is no use, or not wanted; 0 if nobody said."""

    def __init__(self, message: str, *, fault: Fault, retry_after_seconds: float = 0) -> None:
        super().__init__(message)
        self.fault = fault
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, kw_only=True)
class ProviderConfig:
    """What a provider needs to know; it reads no environment of its own."""

    model: str
    dimensions: int
    base_url: str
    api_key: str = field(repr=False)
    timeout_seconds: float
    send_dimensions: bool = True  # whether the server understands being asked for a number of dimensions
    deployment: str = ""  # Azure's name for a model; empty: the model's own
    api_version: str = ""  # Azure's


class Provider(Protocol):
    """A source of vectors. Made once per process, after the fork; safe to call from several threads."""

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """One vector per text, in order, as the model gives them; EmbeddingError otherwise."""


def checked(vectors: Sequence[Sequence[float]], *, count: int, dimensions: int) -> list[Vector]:
    """The vectors with length 1.

    Raises EmbeddingError (PROVIDER) for a wrong count, (SETUP) for wrong dimensions, and (TEXT) for a vector that is
    not finite or has no length: cosine is undefined there, and PostgreSQL would sort it first.
    """
    if len(vectors) != count:
        raise EmbeddingError(f"asked for {count} vectors, got {len(vectors)}", fault=Fault.PROVIDER)
    return [_normalised(vector, dimensions) for vector in vectors]


def _normalised(vector: Sequence[float], dimensions: int) -> Vector:
    if len(vector) != dimensions:
        raise EmbeddingError(f"expected {dimensions} dimensions, got {len(vector)}", fault=Fault.SETUP)
    norm = math.hypot(*vector)
    if not math.isfinite(norm) or norm == 0:
        raise EmbeddingError("the vector is not finite or is all zeros", fault=Fault.TEXT)
    return [component / norm for component in vector]
