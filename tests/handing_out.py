"""Pytest plugin: how tests are handed out to processes side by side (`make test`, or `pytest -n 2`).

`-n logical` is one more than there are cores: half of their time, the tests of installations wait for them.

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
    "e2e/test_admin_flows.py",
    "e2e/test_admin_pages.py",
    "e2e/test_metrics.py",
    "e2e/test_run_serves.py",
    "e2e/test_run_stops.py",
    "faults/test_chaos.py",
    "faults/test_erasures.py",
    "faults/test_redis_kills.py",
    "faults/test_retention_kills.py",
    "faults/test_worker_kills.py",
}
# Beside those of whole installations, what makes something once for all its tests.
AS_A_WHOLE = {
    "integration/test_migrations.py",
    "integration/test_upgrade.py",
    "unit/test_architecture.py",
    "unit/test_embedded_servers.py",
}
INSTALLATIONS = {"e2e", "faults"}


def group_of(test: str) -> str:
    """The name of what one process runs as a whole, for a test's name."""
    folder, file = PurePosixPath(test.partition("::")[0]).parts[-2:]
    place = f"{folder}/{file}"
    if place in ON_THE_SHARED_STACK:
        return "stack"
    return place if folder in INSTALLATIONS or place in AS_A_WHOLE else test


def turn_of(test: str) -> int:
    """The shared stack first, as it takes longest; then the other installations."""
    group = group_of(test)
    return 0 if group == "stack" else 1 if group.partition("/")[0] in INSTALLATIONS else 2


class Scheduling(LoadScopeScheduling):
    """Hands out group by group, in the order of the tests."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """How many processes, before `--maxprocesses` is looked at."""
    return (yield) + 1


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Instead of whatever `--dist` names."""
    config.option.loadscopereorder = False
    return Scheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, None, None]:
    """After all others have sorted."""
    yield
    if items and hasattr(items[0].config, "workerinput"):
        items.sort(key=lambda item: turn_of(item.nodeid))
