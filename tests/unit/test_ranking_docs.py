"""docs/ranking.md and the code say the same."""

import re
from pathlib import Path

import pytest

from memories import candidates, importance, ranking

PAGE = (Path(__file__).parents[2] / "docs" / "ranking.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([A-Z_0-9]+)`[^|]*\| ([-+0-9.]+) \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("name", "value"), ROWS)
def test_the_page_states_the_code_s_constants(name, value):
    [constant] = [
        getattr(module, name) for module in (ranking, candidates, importance) if hasattr(module, name)
    ][:1]
    assert constant == pytest.approx(float(value))


def test_the_page_states_all_of_them():
    assert len(ROWS) == 13


def test_the_page_works_the_example_of_the_tests():
    assert re.findall(r"= \*\*([0-9.]+)\*\*", PAGE) == ["0.80", "0.70", "0.25"]
