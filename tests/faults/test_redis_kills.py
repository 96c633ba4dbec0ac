"""The short form; `make chaos` runs the long one."""

import sys

import pytest

from tests.faults.runs import lose_redis
from tests.stack import Stack


@pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")
def test_losing_redis_costs_time_and_nothing_else(stack: Stack) -> None:
    stack.up()
    assert lose_redis(stack, count=200, kills=1) == (200, 200)
