"""The web server that is asked to stop before it serves."""

import subprocess
import sys
import time

import pytest

from tests.stack import ROOT, children_of, free_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")

# What runs first in a worker takes its time, as on a machine that has others to serve.
SLOW_FORKS = "import os, time; os.register_at_fork(after_in_child=lambda: time.sleep(2));"
SERVE = "from memory_layer.web.server import main; main()"


@pytest.mark.parametrize("program", [SERVE, SLOW_FORKS + SERVE], ids=["importing", "just forked"])
def test_asked_to_stop_while_its_workers_start_it_stops(program: str) -> None:
    command = [sys.executable, "-c", program, "--host", "127.0.0.1", "--port", str(free_port())]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as web:
        while not children_of(web.pid):
            assert web.poll() is None
        started = time.monotonic()
        web.terminate()
        assert web.wait(30) == 0
    assert time.monotonic() - started < 10
