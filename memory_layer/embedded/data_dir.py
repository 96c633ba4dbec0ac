"""The directory that outlives a run: its making, its lock and the secrets in it."""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from memory_layer.embedded.errors import EmbeddedError

PROJECT_ROOT = Path(__file__).resolve().parents[2]
DEFAULT = ".data"


def open_data_dir(named: str) -> Path:
    """The directory named by MEMORY_DATA_DIR, made when it is not there. A relative one is below the project.

    0700, but 0711 for root: PostgreSQL then runs as `nobody`, who must pass through to its own 0700 one.
    """
    path = PROJECT_ROOT / Path(named or DEFAULT).expanduser()
    try:
        if not path.exists():
            path.mkdir(parents=True)
            path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        (path / "logs").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise EmbeddedError(
            f"Cannot use {path} for data: {error.strerror}. "
            "Set MEMORY_DATA_DIR to a directory that you may write."
        ) from error
    return path


@contextlib.contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Hold the directory for this process. The kernel drops the lock with the process, so it is never stale.

    Raises EmbeddedError when another process holds it.
    """
    with (data_dir / "lock").open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise EmbeddedError(
                f"{data_dir} is in use by process {lock.read().strip() or '(unknown)'}: it runs already. "
                "Stop that one (Ctrl-C), or set MEMORY_DATA_DIR to another directory for a second one."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def secret_key(data_dir: Path) -> str:
    """Django's secret key, made once: sessions and cursors survive a restart."""
    path = data_dir / "secret-key"
    if not path.exists() or not path.read_text(encoding="ascii").strip():
        draft = data_dir / "secret-key.new"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(50), encoding="ascii")
        draft.replace(path)
    return path.read_text(encoding="ascii").strip()
