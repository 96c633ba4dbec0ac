"""docs/ranking.md and the code say the same."""

import re
from pathlib import Path

import pytest

from memories import candidates, duplicates, importance, lexical, mentioned_time, ranking, relevance, search
from memories.relevance import Signals

PAGE = (Path(__file__).parents[2] / "docs" / "ranking.md").read_text(encoding="utf-8")
CONSTANTS = re.findall(r"^\| `([A-Z_0-9]+)`[^|]*\| ([-+0-9.]+) \|$", PAGE, re.MULTILINE)
SIGNALS = re.findall(r"^\| `([a-z_]+)` \| ([0-9.]+) \|$", PAGE, re.MULTILINE)
MODULES = (ranking, relevance, candidates, search, lexical, duplicates, mentioned_time, importance)


@pytest.mark.parametrize(("name", "value"), CONSTANTS)
def test_the_page_states_the_code_s_constants(name, value):
    [constant] = {getattr(module, name) for module in MODULES if hasattr(module, name)}
    assert constant == pytest.approx(float(value))


def test_the_page_states_the_weights_of_all_signals():
    said = {name: float(value) for name, value in SIGNALS}
    assert said | {"lexical_context": 1.0} == vars(Signals())


def test_the_page_states_all_of_them():
    assert len(CONSTANTS) == 15


def test_the_page_works_the_example_of_the_tests():
    assert re.findall(r"= \*\*([0-9.]+)\*\*", PAGE) == ["0.80", "0.71", "0.25"]
