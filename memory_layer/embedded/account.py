"""The operating-system account that PostgreSQL runs as, and which directories that account can reach.

PostgreSQL refuses to run as root. Root therefore hands it to `nobody`, who can neither enter a 0700 home nor
write anywhere; everyone else runs PostgreSQL as themselves.
"""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from memory_layer.embedded.errors import EmbeddedError


@dataclass(frozen=True)
class Account:
    """A user to start a process as."""

    uid: int
    gid: int

    def can_enter(self, directory: Path) -> bool:
        """Whether the account may pass through `directory` and all of its parents, by their mode bits."""
        resolved = directory.resolve()
        return all(self._has(part, stat.S_IXUSR) for part in (resolved, *resolved.parents))

    def can_execute(self, program: Path) -> bool:
        """Whether the account can reach and run `program`."""
        return self.can_enter(program.parent) and self._has(program.resolve(), stat.S_IXUSR | stat.S_IRUSR)

    def take(self, path: Path) -> None:
        """Make the account the owner of `path`."""
        os.chown(path, self.uid, self.gid)

    def _has(self, path: Path, bits: int) -> bool:
        found = path.stat()
        if found.st_uid == self.uid:
            wanted = bits
        elif found.st_gid == self.gid:
            wanted = bits >> 3
        else:
            wanted = bits >> 6
        return found.st_mode & wanted == wanted


def postgres_account() -> Account | None:
    """`nobody` for root, None (ourselves) for everyone else.

    Raises EmbeddedError for a user id without a name: initdb looks its own name up and would fail.
    """
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        return Account(nobody.pw_uid, nobody.pw_gid)
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        raise EmbeddedError(
            f"User id {os.geteuid()} has no name in /etc/passwd, and PostgreSQL needs one. "
            "Run as a named user, or set MEMORY_DATABASE_URL to a server of your own."
        ) from None
    return None
