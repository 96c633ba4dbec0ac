"""Offline vectors: wordllama's static embeddings, 256 dimensions, weights inside the wheel."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from memories.embeddings.base import EmbeddingError, Fault, ProviderConfig, Vector

DIMENSIONS = 256


class LocalProvider:
    """About 60,000 short texts a second in one process; some 100 MB of memory, loaded once per process."""

    def __init__(self, config: ProviderConfig) -> None:
        if config.dimensions != DIMENSIONS:
            raise EmbeddingError(
                f"the local model has {DIMENSIONS} dimensions: set MEMORY_EMBEDDING_DIMENSIONS={DIMENSIONS}",
                fault=Fault.SETUP,
            )
        encoder = _load(config.model)
        self._tokenizer, self._table = encoder.tokenizer, encoder.embedding
        self._tokenizer.no_padding()
        # It would remember 10,000 whole texts and their pieces in each thread, 30 MB and more, and be no faster.
        # The library has no other door to that. A test sees that it is one.
        self._tokenizer.model._resize_cache(0)

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """One vector per text: the mean of its tokens' vectors.

        The library's own embed() gives the same, for texts padded to one length. That takes 0.1 ms more for a query.
        """
        encoded = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [self._mean(each.ids) for each in encoded]

    def _mean(self, tokens: Sequence[int]) -> Vector:
        """All zeros for no tokens."""
        mean: Vector = (self._table[tokens].sum(axis=0) / max(len(tokens), 1)).tolist()
        return mean


def _load(model: str) -> Any:
    """The encoder from the wheel's own files.

    The library looks for its tokenizer below `tokenizers/` only when told that its package is the cache; left to
    itself it would try to download it.
    """
    spec = find_spec("wordllama")
    if spec is None or spec.origin is None:
        raise EmbeddingError("wordllama is missing: install requirements/local.txt", fault=Fault.SETUP)
    from wordllama import WordLlama  # noqa: PLC0415 - heavy, and only this provider needs it

    try:
        return WordLlama.load(
            config=model, cache_dir=Path(spec.origin).parent, dim=DIMENSIONS, disable_download=True
        )
    except (ValueError, FileNotFoundError, AttributeError) as error:
        raise EmbeddingError(
            f"the local model {model!r} cannot be loaded: {error}", fault=Fault.SETUP
        ) from error
