"""The local model's files: one table for all processes, one tokenizer for each."""

import random
from pathlib import Path

import numpy as np
import pytest

from memories import local_model
from memories.embeddings import PROVIDERS
from memories.embeddings.base import ProviderConfig
from memories.embeddings.local import LocalProvider
from memories.local_model import UnusableModel
from memories.tokens import token_counter
from tests import own_memory


@pytest.fixture
def _forgotten():
    """Both are remembered by the process."""
    local_model.tokenizer.cache_clear()
    token_counter.cache_clear()


@own_memory.readable
def test_its_table_takes_no_memory_of_the_process():
    before = own_memory.megabytes()
    table = local_model.table()
    assert int(table.astype(np.int64).min()) < 0  # every page of it was read
    assert own_memory.megabytes() - before < 4
    assert local_model.TABLE in Path("/proc/self/maps").read_text(encoding="utf-8")


def test_it_has_the_dimensions_that_the_table_of_providers_says():
    assert local_model.table().shape[1] == local_model.DIMENSIONS == PROVIDERS["local"].dimensions


def test_nobody_can_change_its_table():
    with pytest.raises(ValueError, match="read-only"):
        local_model.table()[0, 0] = 1


@own_memory.readable
@pytest.mark.usefixtures("_forgotten")
def test_vectors_and_counts_of_tokens_share_the_tokenizer():
    """It takes some 14 MB."""
    LocalProvider(
        ProviderConfig(
            model=local_model.MODEL,
            dimensions=local_model.DIMENSIONS,
            base_url="",
            api_key="",
            timeout_seconds=1,
        )
    )
    before = own_memory.megabytes()
    assert token_counter().exact
    assert own_memory.megabytes() - before < 4


def test_its_sums_are_those_of_single_floats():
    table = local_model.table()
    singles = table.view(np.float16).astype(np.float32)
    for length in (0, 1, 2, 17, 300):
        tokens = random.Random(length).choices(range(len(table)), k=length)
        np.testing.assert_array_equal(local_model.summed(table, tokens), singles[tokens].sum(axis=0))


def test_every_number_of_its_table_is_read_right():
    table = local_model.table()
    read = np.array([local_model.summed(table, [token]) for token in range(len(table))])
    np.testing.assert_array_equal(read, table.view(np.float16))


@pytest.mark.parametrize("name", ["__init__.py", "no such file", local_model.TOKENIZER])
def test_another_file_is_refused(monkeypatch, name):
    monkeypatch.setattr(local_model, "TABLE", name)
    with pytest.raises(UnusableModel, match="table"):
        local_model.table()
