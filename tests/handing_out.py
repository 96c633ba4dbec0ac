"""Pytest plugin: how tests are handed out to processes side by side (`make test`, or `pytest -n 2`).

One by one, in pytest-django's order: those that commit come behind those that need the rows of the migrations. What
shares something dear stays together, and whole installations come first: they take longest.

pytest-xdist's own groups (`--dist loadgroup`) do nothing under pytest 9.2, and would append their names to the tests'.
"""

from collections.abc import Generator
from pathlib import PurePosixPath
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# The tests of the fixture `stack`, in whatever file: one installation serves them all.
ON_THE_SHARED_STACK = {
    "test_admin_flows",
    "test_admin_pages",
    "test_chaos",
    "test_erasures",
    "test_metrics",
    "test_retention_kills",
    "test_run_serves",
    "test_run_stops",
    "test_worker_kills",
}
# Beside those of whole installations, what makes something once for all its tests.
AS_A_WHOLE = {"test_architecture", "test_embedded_servers", "test_migrations", "test_upgrade"}
INSTALLATIONS = {"e2e", "faults"}


def group_of(test: str) -> str:
    """The name of what one process runs as a whole, for a test's name."""
    path = PurePosixPath(test.partition("::")[0])
    if path.stem in ON_THE_SHARED_STACK:
        return "stack"
    return str(path) if path.parent.name in INSTALLATIONS or path.stem in AS_A_WHOLE else test


def place_of(test: str) -> int:
    """The shared stack first, as it is the longest; then the other installations."""
    if group_of(test) == "stack":
        return 0
    return 1 if PurePosixPath(test.partition("::")[0]).parent.name in INSTALLATIONS else 2


class Scheduling(LoadScopeScheduling):
    """Hands out group by group, in the order of the tests."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Instead of whatever `--dist` names."""
    config.option.loadscopereorder = False
    return Scheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, None, None]:
    """After all others have sorted."""
    yield
    for item in items:
        if ("stack" in getattr(item, "fixturenames", ())) != (group_of(item.nodeid) == "stack"):
            raise pytest.UsageError(f"{item.nodeid}: ON_THE_SHARED_STACK says otherwise")
    if items and hasattr(items[0].config, "workerinput"):
        items.sort(key=lambda item: place_of(item.nodeid))
