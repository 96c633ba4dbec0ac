"""A provider is in all places that must know it: whoever adds one is told which are left."""

import re
from pathlib import Path
from typing import get_args

import pytest
from django.utils.module_loading import import_string

from memories.embeddings import PROVIDERS
from memory_layer.env import Env

PAGE = (Path(__file__).parents[2] / "docs" / "providers.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(\w+)` \| .+ \| (\S+) \|$", PAGE, re.MULTILINE))


def choices(field: str) -> set[str]:
    return set(get_args(Env.model_fields[field].annotation)) - {""}


def test_those_of_the_table_can_be_chosen_and_no_others():
    assert choices("embedding_provider") == set(PROVIDERS)


def test_the_remote_ones_can_stand_in():
    assert choices("embedding_failover") == {name for name, row in PROVIDERS.items() if row.remote}


def test_the_page_has_a_row_for_each_with_its_model():
    assert {name: row.default_model or "none" for name, row in PROVIDERS.items()} == ROWS


@pytest.mark.parametrize("name", PROVIDERS)
def test_it_is_where_the_table_says(name):
    assert hasattr(import_string(PROVIDERS[name].path), "embed")


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_page_says_what_it_needs(name):
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
    assert [variable for variable in PROVIDERS[name].needs if variable not in row] == []
