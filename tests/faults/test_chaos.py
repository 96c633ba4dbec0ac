"""The short form of the table (`make chaos`): each process of a whole stack killed once, under eight clients."""

import sys

import pytest

from tests.faults import chaos
from tests.stack import Stack

# The worker's death is in the test beside this, the supervisor's in tests/e2e. Web comes last: after a restart of
# PostgreSQL one request of each of its threads gets a 503, and the stack is shared.
ONCE = ("a backend of PostgreSQL", "a worker's process", "beat", "Redis", "web")


@pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")
def test_no_killed_process_loses_or_doubles_what_was_acknowledged(stack: Stack) -> None:
    stack.up()
    row = chaos.kill(stack, "each process", ONCE, count=160)
    assert (row.injected, row.acknowledged) == (len(ONCE), 160)
    assert (row.lost, row.doubled, row.missed) == (0, 0, 0), row
