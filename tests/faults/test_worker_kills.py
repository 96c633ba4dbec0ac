"""The short form; `make chaos` runs the long one, `make bench` another."""

import sys

import pytest

from tests.faults.kills import kill_workers
from tests.stack import Stack


@pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")
def test_killed_workers_lose_and_double_nothing(stack: Stack) -> None:
    stack.up()
    kill_workers(stack, tenant="kills", count=600, kills=2)
