"""The extension pg_trgm for our embedded PostgreSQL, which does not carry it: Hindsight's tables need it.

A package on PyPI brings it for the same major version. Only these files are taken, so that the server is the same for
all that are compared.
"""

import shutil
import subprocess
import time
from pathlib import Path

import psycopg

from tests.benchmarks.peers.environments import UnavailableError

RELOAD_SECONDS = 10.0


def with_trigrams(environment: Path, home: Path, database_url: str) -> None:
    """Put the files where PostgreSQL's account can read them, and add the extension; UnavailableError without them."""
    installation = _unpacked(environment)
    here = home / "trigrams"
    shutil.copytree(installation / "share" / "extension", here / "extension")
    here.joinpath("lib").mkdir()
    shutil.copy(installation / "lib" / "pg_trgm.so", here / "lib")
    for path in (here, *here.rglob("*")):
        path.chmod(0o755)
    with psycopg.connect(database_url, user="postgres", autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET extension_control_path = '$system:{here}'")
        connection.execute(f"ALTER SYSTEM SET dynamic_library_path = '$libdir:{here}/lib'")
        connection.execute("SELECT pg_reload_conf()")
        _until_reloaded(connection)
        connection.execute("CREATE EXTENSION pg_trgm")


def _unpacked(environment: Path) -> Path:
    """Its program unpacks itself before it starts a server, for which a folder with a file in it is no place."""
    home = environment / "unpacked"
    occupied = home / "occupied"
    occupied.mkdir(parents=True, exist_ok=True)
    occupied.joinpath("file").touch()
    for program in environment.glob("lib/python*/site-packages/pg0/bin/pg0"):
        for words in (["start", "--data-dir", str(occupied)], ["stop"]):
            subprocess.run([program, *words], env={"HOME": str(home)}, capture_output=True, timeout=120)
    for control in home.glob(".pg0/installation/*/share/extension/pg_trgm.control"):
        return control.parents[2]
    raise UnavailableError("nothing brings pg_trgm for PostgreSQL")


def _until_reloaded(connection: psycopg.Connection) -> None:
    deadline = time.monotonic() + RELOAD_SECONDS
    query = "SELECT current_setting('extension_control_path') <> '$system'"
    while connection.execute(query).fetchone() != (True,):
        if time.monotonic() > deadline:
            raise UnavailableError("PostgreSQL did not reload its settings")
        time.sleep(0.1)
