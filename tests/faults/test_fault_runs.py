"""The short form of a long run (`make chaos`): it asserts that nothing was lost, doubled or mixed up."""

import sys

import pytest

from tests.faults import runs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")


def test_a_bad_provider_costs_time_and_nothing_else() -> None:
    assert runs.bad_provider(300, fault_share=0.3) == (0, 300)
