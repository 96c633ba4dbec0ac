"""Counting tokens: the local tokenizer exactly, the estimate on the safe side of it for ordinary text."""

import importlib
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memories import local_model
from memories.tokens import ESTIMATE, estimated, token_counter
from tests import own_memory

ORDINARY = [
    "My sister Mia moved to Lisbon last spring, and she hasn't looked back since.",
    "Das Fahrrad steht noch in der Werkstatt; die Kette ist gerissen.",
    "def add(a, b):\n    return a + b  # 12 + 30 == 42\n",
    '{"id": 17, "tags": ["urgent", "work"], "price": 12.5}',
    '[12] 10:30 user "Ann" (relevant)\n> See you on 2024-05-01 at 18:45!\n',
    "Привет, как дела? Завтра идём в кино.",
    "日本語の検索はとても便利です。",
    "https://example.com/a/b?c=1&d=2",
]


@pytest.fixture(autouse=True)
def _forgotten():
    """How to count is remembered by the process."""
    for remembered in (token_counter, local_model.tokenizer):
        remembered.cache_clear()
    yield
    for remembered in (token_counter, local_model.tokenizer):
        remembered.cache_clear()


def test_it_works():
    counter = token_counter()
    assert counter.exact
    assert counter.count("My sister Mia moved to Lisbon last spring") == 10
    assert not ESTIMATE.exact
    assert estimated("Mia moved") == 3


@own_memory.readable
def test_what_it_has_counted_does_not_pile_up():
    """The library would remember the pieces of 10,000 texts in each thread."""
    counter, random = token_counter(), Random(1)
    counter.count("the first takes memory of its own")
    before = own_memory.megabytes()
    for _ in range(6000):
        counter.count(" ".join(f"{random.getrandbits(40):x}" for _ in range(15)))
    assert own_memory.megabytes() - before < 4


@pytest.mark.parametrize("text", ORDINARY)
def test_the_estimate_is_not_below_the_tokenizer_for_ordinary_text(text):
    assert estimated(text) >= token_counter().count(text)


@given(st.text())
def test_the_estimate_is_not_below_a_third_of_the_bytes(text):
    assert estimated(text) >= -(-len(text.encode()) // 3)


@given(st.text(), st.text())
def test_the_estimate_of_a_whole_is_not_above_that_of_its_parts(left, right):
    assert estimated(left + right) <= estimated(left) + estimated(right)


@settings(deadline=None)  # the first one loads the tokenizer
@given(st.text())
def test_no_token_is_longer_than_the_longest(text):
    for counter in (ESTIMATE, token_counter()):
        assert counter.count(text) * counter.longest >= len(text)


@pytest.mark.parametrize("text", ["</s>", "<s>", "<unk>"])
def test_a_tokenizers_own_signs_in_somebodys_text_are_only_text(text):
    assert token_counter().count(text) > 1


@pytest.mark.parametrize("missing", ["wordllama", "tokenizers"])
def test_without_the_local_package_it_is_estimated(monkeypatch, missing):
    known = importlib.util.find_spec
    monkeypatch.setattr(local_model, "find_spec", lambda name: None if name == missing else known(name))
    assert token_counter() == ESTIMATE


def test_with_a_broken_file_it_is_estimated(monkeypatch):
    monkeypatch.setattr(local_model, "TOKENIZER", "__init__.py")
    assert token_counter() == ESTIMATE
