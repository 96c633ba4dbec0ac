"""Throw-away environments for what we compare with: outside our requirements, made once for each set of pins."""

import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

from tests.stack import ROOT

PLACE = ROOT / ".peers"
SECONDS_TO_INSTALL = 1800


class UnavailableError(Exception):
    """A peer cannot be had here, and why."""


def environment(pins: Sequence[str]) -> Path:
    """The directory of programs of an environment with these packages, named by the first of them; UnavailableError if
    they cannot be installed."""
    name = pins[0].partition("==")[0]
    digest = hashlib.sha256("\n".join([sys.version, *pins]).encode()).hexdigest()[:12]
    folder = PLACE / f"{name}-{digest}"
    stamp = folder / "installed"
    if not stamp.exists():
        print(f"Installing {name} beside us ({', '.join(pins)})", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        _pip_install(folder, pins)
        stamp.touch()
    return folder / "bin"


def _pip_install(folder: Path, pins: Sequence[str]) -> None:
    command = [
        folder / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        *pins,
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_TO_INSTALL)
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"pip took more than {SECONDS_TO_INSTALL} s") from error
    if done.returncode:
        raise UnavailableError("pip: " + " ".join(done.stderr.strip().splitlines()[-2:]))
