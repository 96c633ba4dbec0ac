"""Vectors without a model: hashed words. Deterministic and dependency-free, for tests."""

import hashlib
from collections.abc import Sequence

from memories.embeddings.base import ProviderConfig, Vector


class MockProvider:
    """Each word adds +1 or -1 to one dimension (feature hashing), so texts that share words are similar."""

    def __init__(self, config: ProviderConfig) -> None:
        self.dimensions = config.dimensions

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """One vector per text; a text without words gets the first dimension."""
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> Vector:
        vector = [0.0] * self.dimensions
        for word in text.lower().split() or [""]:
            digest = hashlib.sha256(word.encode("utf-8")).digest()
            index = int.from_bytes(digest[:4], "big") % self.dimensions
            vector[index] += 1.0 if digest[4] & 1 else -1.0
        if not any(vector):
            vector[0] = 1.0
        return vector
