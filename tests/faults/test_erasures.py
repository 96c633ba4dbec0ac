"""The short form of the long run (`make chaos`) of erasures."""

import sys

import pytest

from tests.faults import erasures
from tests.stack import Stack

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")


def test_nothing_is_left_of_an_erased_user_under_load(stack: Stack) -> None:
    stack.up()
    assert erasures.under_load(stack, 200) == (200, 200, [])


def test_no_worker_resurrects_an_erased_user(stack: Stack) -> None:
    stack.up()
    assert erasures.against_embedding(stack, 5) == (100, {})
