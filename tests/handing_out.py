"""Pytest plugin: how tests are handed out to processes side by side (`make test`: `-n 2 --dist loadgroup`).

One by one, but those that share a running installation stay together. Installations come first: they take longest,
and the others fill what time is left beside them.
"""

from collections.abc import Generator
from pathlib import Path

import pytest

ROOMS_OF_INSTALLATIONS = ("e2e", "faults")


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, None, None]:
    """Marked before pytest-xdist reads the marks; sorted after pytest-django has sorted, which puts tests that commit
    behind those that need the rows of the migrations."""
    handed_out = bool(items) and hasattr(items[0].config, "workerinput")
    if handed_out:
        for item in items:
            if group := _group(item):
                item.add_marker(pytest.mark.xdist_group(group))
    yield
    if handed_out:
        items.sort(key=_place)


def _group(item: pytest.Item) -> str:
    """Empty: by itself, or as its own mark says."""
    if _is_shared(item):
        return "stack"
    return item.path.stem if _room(item.path) in ROOMS_OF_INSTALLATIONS else ""


def _place(item: pytest.Item) -> int:
    return 0 if _is_shared(item) else 1 if _room(item.path) in ROOMS_OF_INSTALLATIONS else 2


def _is_shared(item: pytest.Item) -> bool:
    return "stack" in getattr(item, "fixturenames", ())


def _room(path: Path) -> str:
    return path.parent.name
