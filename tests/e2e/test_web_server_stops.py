"""The web server that is asked to stop before it serves."""

import subprocess
import sys
import time

import pytest

from tests.stack import ROOT, children_of, free_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")


def test_asked_to_stop_while_its_workers_start_it_stops() -> None:
    command = [sys.executable, "-m", "memory_layer.web", "--host", "127.0.0.1", "--port", str(free_port())]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as web:
        while not children_of(web.pid):
            assert web.poll() is None
        started = time.monotonic()
        web.terminate()
        assert web.wait(30) == 0
    assert time.monotonic() - started < 10
