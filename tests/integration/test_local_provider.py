"""The provider local: real vectors, offline."""

import math
from pathlib import Path
from random import Random
from threading import Thread

import pytest
import wordllama
from wordllama import WordLlama

from memories import local_model
from memories.embeddings import EmbeddingError, checked
from memories.embeddings.base import ProviderConfig
from memories.embeddings.local import LocalProvider
from tests import own_memory


def config(**changes):
    values = {"model": "l2_supercat", "dimensions": 256, "base_url": "", "api_key": "", "timeout_seconds": 1}
    return ProviderConfig(**values | changes)


@pytest.fixture(scope="module")
def provider():
    return LocalProvider(config())


def similarity(provider, left: str, right: str) -> float:
    a, b = checked(provider.embed([left, right]), count=2, dimensions=256)
    return sum(x * y for x, y in zip(a, b, strict=True))


def test_it_knows_what_words_mean(provider):
    near = similarity(provider, "my dog is ill", "the puppy needs a vet")
    far = similarity(provider, "my dog is ill", "the quarterly tax report")
    assert near > far + 0.1


def test_its_vectors_are_the_library_s_own(provider):
    texts = [
        "my dog is ill",
        "a much longer text about the puppy that needed a vet, and about nothing else",
        "",
    ]
    library = WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    own = library.embed(texts, norm=False).tolist()
    for vector, expected in zip(provider.embed(texts), own, strict=True):
        assert vector == pytest.approx(expected, abs=1e-6)


def test_a_tokenizers_own_signs_in_somebodys_text_are_only_text(provider):
    [vector] = provider.embed(["</s>"])
    own = local_model.tokenizer().token_to_id("</s>")
    assert vector != local_model.summed(local_model.table(), [own]).tolist()


def test_it_never_asks_the_network(provider, monkeypatch):
    import socket

    monkeypatch.setattr(socket, "socket", None)
    assert len(LocalProvider(config()).embed(["offline"])[0]) == 256


@pytest.mark.parametrize("text", ["🧠", "日本語", "x" * 65536, "a\n\n\tb", "0"])
def test_strange_texts_have_vectors_too(provider, text):
    [vector] = checked(provider.embed([text]), count=1, dimensions=256)
    assert math.isclose(math.hypot(*vector), 1.0)


def test_other_dimensions_are_refused():
    with pytest.raises(EmbeddingError, match="MEMORY_EMBEDDING_DIMENSIONS=256"):
        LocalProvider(config(dimensions=128))


def test_another_model_is_refused():
    with pytest.raises(EmbeddingError, match="no-such-model"):
        LocalProvider(config(model="no-such-model"))


@own_memory.readable
def test_what_it_has_read_does_not_pile_up_in_its_threads():
    """The library would remember the pieces of 10,000 texts in each: 30 MB and more."""
    provider, random = LocalProvider(config()), Random(1)
    texts = [" ".join(f"{random.getrandbits(40):x}" for _ in range(10)) for _ in range(2000)]

    def read() -> None:
        for text in texts:
            provider.embed([text])

    before = own_memory.megabytes()
    threads = [Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert own_memory.megabytes() - before < 20
