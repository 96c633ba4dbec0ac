"""Short directories for Unix sockets.

A socket's path may have 107 bytes (103 on macOS) and PostgreSQL's own name takes 20 of them, so sockets
cannot lie in a data directory that may be anywhere. The directory's permissions are the only lock on the
servers.
"""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from memory_layer.embedded.account import Account

PREFIX = "ai-memory-"
# Left for the directory itself: 103 bytes minus "/postgres/.s.PGSQL.5432.lock" and the random part.
LONGEST_PARENT_BYTES = 50


@dataclass(frozen=True)
class Sockets:
    """Where the servers listen; removed as a whole at the end."""

    directory: Path

    @property
    def postgres(self) -> Path:
        """PostgreSQL's unix_socket_directories."""
        return self.directory / "postgres"

    @property
    def redis(self) -> Path:
        """Redis's socket file."""
        return self.directory / "redis" / "redis.sock"

    def remove(self) -> None:
        """Nothing is left in the shared directory."""
        shutil.rmtree(self.directory, ignore_errors=True)


def make_sockets(account: Account | None) -> Sockets:
    """A new directory, 0700; with an account of its own PostgreSQL gets a 0700 room inside a 0711 one."""
    sockets = Sockets(Path(tempfile.mkdtemp(prefix=PREFIX, dir=short_parent(account))))
    sockets.postgres.mkdir(mode=0o700)
    sockets.redis.parent.mkdir(mode=0o700)
    if account:
        sockets.directory.chmod(0o711)
        account.take(sockets.postgres)
    return sockets


def short_parent(account: Account | None) -> Path:
    """XDG_RUNTIME_DIR when it serves, else /tmp, else Python's temporary directory."""
    wished = [os.environ.get("XDG_RUNTIME_DIR", ""), "/tmp"]  # noqa: S108 - mkdtemp makes it 0700
    for name in filter(None, wished):
        parent = Path(name)
        if _serves(parent, account):
            return parent
    return Path(tempfile.gettempdir())


def _serves(parent: Path, account: Account | None) -> bool:
    return (
        parent.is_absolute()
        and parent.is_dir()
        and os.access(parent, os.W_OK | os.X_OK)
        and len(os.fsencode(parent)) <= LONGEST_PARENT_BYTES
        and not any(character.isspace() for character in str(parent))
        and (account is None or account.can_enter(parent))
    )
