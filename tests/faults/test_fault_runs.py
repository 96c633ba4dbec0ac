"""The short forms of the long runs (`make chaos`): each asserts that nothing was lost, doubled or mixed up."""

import sys

import pytest

from tests.faults import runs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")


def test_a_bad_provider_costs_time_and_nothing_else(capsys) -> None:
    runs.bad_provider(300, fault_share=0.3)
    assert "0 lost, 0 wrong vectors" in capsys.readouterr().out


def test_losing_redis_costs_time_and_nothing_else(capsys) -> None:
    runs.redis_kills(200, kills=1)
    assert "0 client errors, 0 lost" in capsys.readouterr().out
