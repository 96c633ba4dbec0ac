"""A cluster whose database is migrated, made once for all processes: stacks not about their first start copy it.

It saves each of them initdb and all migrations, 6 s of CPU time. The stack that tests share (tests/conftest.py) starts
from nothing, as a first `make run` does.
"""

import atexit
import fcntl
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from memory_layer.embedded.data_dir import PROJECT_ROOT
from memory_layer.embedded.servers import start_servers

# Names the directory that processes side by side share.
_SHARED = "TESTS_MIGRATED"


def share() -> None:
    """For the processes that this one is going to start, until it ends."""
    os.environ[_SHARED] = str(_new_home())


def copy_cluster(data_dir: Path) -> None:
    """Make `data_dir` with a migrated cluster. A copy keeps the owner: root's PostgreSQL runs as nobody."""
    data_dir.mkdir()
    _let_pass(data_dir)
    cluster = _migrated() / "postgres"
    subprocess.run(["cp", "-a", cluster, data_dir / cluster.name], check=True)


@functools.cache
def _migrated() -> Path:
    """Where it is. Who needs it first makes it, and the others wait."""
    home = Path(os.environ[_SHARED]) if _SHARED in os.environ else _new_home()
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "made").exists():
            _make(home)
            (home / "made").touch()
    return home


def _new_home() -> Path:
    home = Path(tempfile.mkdtemp(prefix="migrated "))
    _let_pass(home)
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home


def _make(home: Path) -> None:
    # Durable ones are stopped in order: a copy has nothing to replay.
    servers = start_servers(home, durable=True, with_redis=False)
    try:
        environ = os.environ | {
            "MEMORY_DATABASE_URL": servers.database_url,
            "MEMORY_SECRET_KEY": "a-secret-for-migrations-0123456789-0123456789-0123456789",
        }
        command = [sys.executable, "manage.py", "migrate", "--noinput", "--verbosity", "0"]
        subprocess.run(command, cwd=PROJECT_ROOT, env=environ, check=True)
    finally:
        servers.stop()


def _let_pass(directory: Path) -> None:
    directory.chmod(0o711 if os.geteuid() == 0 else 0o700)
