"""The provider sentence_transformers, with a tiny stand-in for the library: it is large, and no requirement."""

import sys
import types

import numpy
import pytest

from memories.embeddings import EmbeddingError, Fault, embed
from memories.embeddings.base import ProviderConfig
from memories.embeddings.sentence_transformers import SentenceTransformersProvider


class Library(types.ModuleType):
    """Vectors of length and number of words; what it was called with is in `seen`."""

    def __init__(self) -> None:
        super().__init__("sentence_transformers")
        self.seen: list[tuple] = []
        self.error: Exception | None = None

    def SentenceTransformer(self, folder: str, **options):
        self.seen.append((folder, options))
        if self.error:
            raise self.error
        return self

    def encode(self, texts, *, show_progress_bar: bool):
        if self.error:
            raise self.error
        return numpy.array([[len(text), len(text.split())] for text in texts], dtype="float32")


@pytest.fixture
def library(monkeypatch):
    library = Library()
    monkeypatch.setitem(sys.modules, "sentence_transformers", library)
    return library


def config(model: str) -> ProviderConfig:
    return ProviderConfig(model=model, dimensions=2, base_url="", api_key="", timeout_seconds=1)


def refusal(model: str) -> EmbeddingError:
    with pytest.raises(EmbeddingError) as caught:
        SentenceTransformersProvider(config(model))
    assert caught.value.fault is Fault.SETUP
    return caught.value


def test_it_works(library, tmp_path, settings):
    changes = {"embedding_provider": "sentence_transformers", "embedding_model": str(tmp_path)}
    settings.ENV = settings.ENV.model_copy(update=changes | {"embedding_dimensions": 2})
    assert embed(["abc", "a b c d"]) == [
        pytest.approx([0.9486833, 0.3162278]),  # (3, 1) / sqrt(10)
        pytest.approx([0.8682431, 0.4961389]),  # (7, 4) / sqrt(65)
    ]
    assert library.seen == [(str(tmp_path), {"local_files_only": True})]


@pytest.mark.parametrize("model", ["", "all-MiniLM-L6-v2"])
def test_a_name_is_no_folder_and_nothing_is_downloaded(library, model):
    assert "must be the folder" in str(refusal(model))
    assert not library.seen


def test_without_the_package_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    assert "pip install sentence-transformers" in str(refusal(str(tmp_path)))


def test_a_folder_that_holds_no_model_is_said(library, tmp_path):
    library.error = OSError("no config.json")
    assert "no config.json" in str(refusal(str(tmp_path)))


def test_a_model_that_fails_may_work_later(library, tmp_path):
    provider = SentenceTransformersProvider(config(str(tmp_path)))
    library.error = RuntimeError("out of memory while reading a secret")
    with pytest.raises(EmbeddingError) as caught:
        provider.embed(["a secret"])
    assert caught.value.fault is Fault.PROVIDER
    assert "secret" not in str(caught.value)
