"""The short form; `make chaos` runs the long one."""

import sys

import pytest

from tests.faults.retention_kills import kill_runs
from tests.stack import Stack


@pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")
def test_a_killed_retention_run_goes_on_and_ends_the_same(stack: Stack) -> None:
    stack.up()
    kill_runs(stack, count=3000, kills=1)
