"""A sentence-transformers model from a local folder, in this process. Never downloads."""

import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from memories.embeddings.base import EmbeddingError, Fault, ProviderConfig, Vector


class SentenceTransformersProvider:
    """MEMORY_EMBEDDING_MODEL is the folder. Texts above the model's length are cut by the library."""

    def __init__(self, config: ProviderConfig) -> None:
        self._model = _load(config.model)
        # Its tokenizer fails ("Already borrowed") if two threads use it at once.
        self._one_at_a_time = threading.Lock()

    def embed(self, texts: Sequence[str]) -> list[Vector]:
        """One vector per text; EmbeddingError (PROVIDER) if the model fails, as without memory."""
        with self._one_at_a_time:
            try:
                vectors: list[Vector] = self._model.encode(list(texts), show_progress_bar=False).tolist()
            except RuntimeError as error:
                raise EmbeddingError(
                    f"the model failed: {type(error).__name__}", fault=Fault.PROVIDER
                ) from error
        return vectors


def _load(folder: str) -> Any:
    """The library takes a name that is no folder for one to download: such a name does not reach it."""
    if not folder or not Path(folder).is_dir():
        raise EmbeddingError(
            f"MEMORY_EMBEDDING_MODEL must be the folder of a sentence-transformers model, {folder!r} is none",
            fault=Fault.SETUP,
        )
    try:
        library = import_module("sentence_transformers")  # heavy, and only this provider needs it
    except ImportError as error:
        raise EmbeddingError(
            "sentence-transformers is missing: pip install sentence-transformers", fault=Fault.SETUP
        ) from error
    try:
        return library.SentenceTransformer(folder, local_files_only=True)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise EmbeddingError(
            f"the model in {folder!r} cannot be loaded: {error}", fault=Fault.SETUP
        ) from error
