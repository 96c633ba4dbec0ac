import os
import subprocess
import sys
from pathlib import Path

import pytest

from memory_layer.embedded.data_dir import PROJECT_ROOT, locked, open_data_dir, secret_key
from memory_layer.embedded.errors import EmbeddedError


def test_it_is_made_for_us_alone(tmp_path: Path) -> None:
    path = open_data_dir(str(tmp_path / "a b" / "data"))
    assert path.stat().st_mode & 0o777 == (0o711 if os.geteuid() == 0 else 0o700)
    assert (path / "logs").stat().st_mode & 0o777 == 0o700


def test_an_existing_one_keeps_its_permissions(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    assert open_data_dir(str(tmp_path)).stat().st_mode & 0o777 == 0o750


def test_a_relative_name_is_below_the_project(tmp_path: Path) -> None:
    relative = os.path.relpath(tmp_path, PROJECT_ROOT)
    assert open_data_dir(relative).resolve() == tmp_path.resolve()


def test_a_file_in_its_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(EmbeddedError, match="MEMORY_DATA_DIR"):
        open_data_dir(str(tmp_path / "data"))


def test_a_second_holder_is_refused_by_name(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(EmbeddedError, match=f"process {os.getpid()}: it runs already"):
        locked(tmp_path).__enter__()
    with locked(tmp_path):
        pass


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    hold = (
        "import os; from pathlib import Path; from memory_layer.embedded.data_dir import locked\n"
        "with locked(Path('.')): os.kill(os.getpid(), 9)"
    )
    root = str(Path(__file__).parents[2])
    held = subprocess.run([sys.executable, "-c", hold], cwd=tmp_path, env={"PYTHONPATH": root}, check=False)
    assert held.returncode == -9
    with locked(tmp_path):
        pass


def test_the_secret_is_made_once_and_private(tmp_path: Path) -> None:
    first = secret_key(tmp_path)
    assert len(first) >= 50
    assert secret_key(tmp_path) == first
    assert (tmp_path / "secret-key").stat().st_mode & 0o777 == 0o600


def test_an_empty_secret_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "secret-key").touch()
    assert len(secret_key(tmp_path)) >= 50
