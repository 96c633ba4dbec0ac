import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from memory_layer.embedded import stale_lock
from memory_layer.embedded.stale_lock import drop_stale_lock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    cluster = tmp_path / "the cluster"
    cluster.mkdir()
    return cluster / "postmaster.pid"


@pytest.fixture
def backend(lock: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process at work in the cluster."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], cwd=lock.parent) as process:
        yield process
        process.kill()


def test_no_lock_is_nothing_to_do(lock: Path) -> None:
    drop_stale_lock(lock.parent, time.sleep)


def test_a_strangers_number_is_no_server(lock: Path) -> None:
    lock.write_text(f"{os.getpid()}\n")
    drop_stale_lock(lock.parent, time.sleep)
    assert not lock.exists()


def test_a_zombie_is_no_server(lock: Path, backend: subprocess.Popen[bytes]) -> None:
    lock.write_text(f"{backend.pid}\n")
    os.kill(backend.pid, 9)  # and nobody reaps it
    drop_stale_lock(lock.parent, time.sleep)
    assert not lock.exists()


def test_a_backend_at_work_is_waited_for(lock: Path, backend: subprocess.Popen[bytes]) -> None:
    lock.write_text("1\n")
    waited: list[float] = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            backend.kill()
            backend.wait()

    drop_stale_lock(lock.parent, pause)
    assert len(waited) >= 3
    assert not lock.exists()


def test_a_backend_that_stays_keeps_the_lock(
    lock: Path, backend: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stale_lock, "PATIENCE_SECONDS", 0.2)
    lock.write_text(f"{backend.pid}\n")
    drop_stale_lock(lock.parent, time.sleep)
    assert lock.exists()
