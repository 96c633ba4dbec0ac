"""The short form; `make drill` runs the long one."""

import os
import sys

import pytest

from tests import drill
from tests.benchmarks.clients import KEY


@pytest.mark.skipif(sys.platform != "linux", reason="the stack looks at /proc")
@pytest.mark.timeout(400)
def test_a_restored_dump_answers_as_before(monkeypatch):
    monkeypatch.setitem(os.environ, KEY, "")  # the drill sets its own; afterwards it is as it was
    assert "20 searches answer byte for byte as before" in drill.run(60, asked=10)
