"""One `make run` for all tests of this directory, in the worst place: a path with a space, LANG=C, the port taken."""

from collections.abc import Iterator

import pytest

from tests.stack import Stack, running_stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Shared: a start takes seconds. Each test asks for `up()` itself, so they run in any order."""
    with running_stack() as stack:
        yield stack
