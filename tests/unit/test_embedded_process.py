import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from memory_layer.embedded.errors import EmbeddedError
from memory_layer.embedded.process import LOG_KEPT_BYTES, Process, run_to_end, tail

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""
PARENT = """
import os, sys, time
child = os.fork()
if child == 0:
    time.sleep(60)
print(child, flush=True)
time.sleep(60)
"""


def python(tmp_path: Path, code: str) -> Process:
    return Process(
        name="child",
        command=[sys.executable, "-c", code],
        log=tmp_path / "child.log",
        cwd=tmp_path,
        environ=dict(os.environ),
    )


def said(process: Process) -> str:
    """What the process printed first."""
    process.wait_until(lambda: "\n" in process.log.read_text(), seconds=10, pause=time.sleep)
    return process.log.read_text().strip()


def lives(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def wait_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while lives(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not lives(pid)


def test_it_starts_in_its_own_session_and_stops(tmp_path: Path) -> None:
    child = python(tmp_path, "import os, time; print(os.getsid(0), flush=True); time.sleep(60)")
    child.start()
    assert int(said(child)) == child.pid
    child.stop()
    assert not child.running()


def test_a_deaf_one_is_killed(tmp_path: Path) -> None:
    child = python(tmp_path, STUBBORN)
    child.start()
    said(child)
    child.stop(seconds=0.1)
    assert not child.running()


def test_a_hurry_ends_the_wait(tmp_path: Path) -> None:
    child = python(tmp_path, STUBBORN)
    child.start()
    said(child)
    began = time.monotonic()
    child.stop(seconds=60, hurried=lambda: True)
    assert time.monotonic() - began < 5


def test_a_grandchild_does_not_outlive_a_killed_child(tmp_path: Path) -> None:
    child = python(tmp_path, PARENT)
    child.start()
    grandchild = int(said(child))
    child.ask(signal.SIGKILL)
    while child.running():
        time.sleep(0.02)
    wait_gone(grandchild)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
def test_a_child_does_not_outlive_us(tmp_path: Path) -> None:
    spawn = (
        "import os, sys, time; from pathlib import Path; from memory_layer.embedded.process import Process\n"
        "child = Process('c', [sys.executable, '-c', 'import time; time.sleep(60)'], Path('c.log'), Path('.'), {})\n"
        "child.start(); print(child.pid, flush=True); time.sleep(60)"
    )
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", spawn],
        cwd=tmp_path,
        env={"PYTHONPATH": root},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert lives(pid)
        parent.kill()
    wait_gone(pid)


def test_a_death_during_the_start_shows_the_log(tmp_path: Path) -> None:
    child = python(tmp_path, "raise SystemExit('the disk is full')")
    child.log.write_text("an old story\n")
    child.start()
    with pytest.raises(EmbeddedError, match="the disk is full") as refused:
        child.wait_until(lambda: False, seconds=10, pause=time.sleep)
    assert "an old story" not in str(refused.value)


def test_a_slow_start_is_given_up(tmp_path: Path) -> None:
    child = python(tmp_path, "import time; time.sleep(60)")
    child.start()
    with pytest.raises(EmbeddedError, match="not ready"):
        child.wait_until(lambda: False, seconds=0.1, pause=time.sleep)
    child.stop()


def test_a_command_answers_its_exit_code(tmp_path: Path) -> None:
    assert run_to_end(python(tmp_path, "raise SystemExit(3)"), seconds=10, pause=time.sleep) == 3
    assert run_to_end(python(tmp_path, "pass"), seconds=10, pause=time.sleep) == 0


def test_an_endless_command_is_ended(tmp_path: Path) -> None:
    child = python(tmp_path, "import time; time.sleep(60)")
    with pytest.raises(EmbeddedError, match="took longer"):
        run_to_end(child, seconds=0.1, pause=time.sleep)
    assert not child.running()


def test_a_large_log_is_put_aside(tmp_path: Path) -> None:
    child = python(tmp_path, "print('new')")
    child.log.write_bytes(b"x" * (LOG_KEPT_BYTES + 1))
    run_to_end(child, seconds=10, pause=time.sleep)
    assert child.log.read_text() == "new\n"
    assert (tmp_path / "child.old.log").stat().st_size == LOG_KEPT_BYTES + 1


def test_the_tail_survives_bytes_that_are_no_text(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"first\n\xff\xfe\nlast\n")
    assert tail(log, lines=2).endswith("last")
    assert tail(tmp_path / "none.log") == "  (no log)"
