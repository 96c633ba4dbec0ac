import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from memory_layer.embedded import leftovers
from memory_layer.embedded.process import Process
from memory_layer.embedded.sockets import PREFIX


def sleeper(tmp_path: Path) -> Process:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    return Process("worker", command, tmp_path / "log", tmp_path, dict(os.environ))


def test_a_survivor_is_ended_and_its_sockets_removed(tmp_path: Path) -> None:
    sockets = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
    child = sleeper(tmp_path)
    child.start()
    pid = child.pid
    leftovers.record(tmp_path, [child], sockets, {})
    said: list[str] = []
    leftovers.clear(tmp_path, pause=lambda seconds: child.running() and time.sleep(seconds), say=said.append)
    assert not child.running()
    assert not sockets.exists()
    assert said == [f"Waiting for worker of an earlier run (process {pid}) to end"]
    assert not (tmp_path / "running.json").exists()


def test_a_stranger_with_the_same_pid_is_spared(tmp_path: Path) -> None:
    child = sleeper(tmp_path)
    child.start()
    leftovers.record(tmp_path, [child], tmp_path, {})
    record = tmp_path / "running.json"
    record.write_text(record.read_text().replace(leftovers.born(child.pid), "1"))
    leftovers.clear(tmp_path, pause=time.sleep, say=print)
    assert child.running()
    child.stop()


def test_a_directory_that_is_not_ours_is_spared(tmp_path: Path) -> None:
    leftovers.record(tmp_path, [], tmp_path, {})
    leftovers.clear(tmp_path, pause=time.sleep, say=print)
    assert tmp_path.exists()


def test_nothing_left_is_nothing_to_do(tmp_path: Path) -> None:
    leftovers.clear(tmp_path, pause=time.sleep, say=print)
    (tmp_path / "running.json").write_text("{half")
    leftovers.clear(tmp_path, pause=time.sleep, say=print)


def test_birth_tells_processes_apart() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        assert leftovers.born(other.pid)
        assert leftovers.born(other.pid) != leftovers.born(os.getpid())
        other.kill()
    assert leftovers.born(other.pid) == ""
