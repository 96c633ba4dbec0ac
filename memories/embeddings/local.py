"""Offline vectors: wordllama's static embeddings, 256 dimensions, weights inside the wheel."""

from collections.abc import Sequence

from memories import local_model
from memories.embeddings.base import EmbeddingError, Fault, ProviderConfig, Vector
from memories.local_model import DIMENSIONS, UnusableModel


class LocalProvider:
    """About 30,000 short texts a second in one process. Its table is 16 MB, for all processes of a machine together."""

    def __init__(self, config: ProviderConfig) -> None:
        if config.dimensions != DIMENSIONS:
            raise EmbeddingError(
                f"the local model has {DIMENSIONS} dimensions: set MEMORY_EMBEDDING_DIMENSIONS={DIMENSIONS}",
                fault=Fault.SETUP,
            )
        if config.model != local_model.MODEL:
            raise EmbeddingError(
                f"the local model is {local_model.MODEL}, there is no {config.model!r}", fault=Fault.SETUP
            )
        try:
            self._tokenizer, self._table = local_model.tokenizer(), local_model.table()
        except UnusableModel as error:
            raise EmbeddingError(str(error), fault=Fault.SETUP) from error

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """One vector per text: the mean of its tokens' vectors, as wordllama's own embed() has it."""
        encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [self._mean(each.ids) for each in encoded]

    def _mean(self, tokens: Sequence[int]) -> Vector:
        """All zeros for no tokens."""
        mean: Vector = (local_model.summed(self._table, tokens) / max(len(tokens), 1)).tolist()
        return mean
