"""What a container runs: `python -m memory_layer.serve ROLE`, one process of one role, in the foreground.

web, worker and beat are started by the same commands as by `make run` (embedded/services.py), so there is one place
that says how. Everything but `manage` waits for the database first, for so long and no longer. The role's command then
takes this process's place: it has its number, gets its signals, and its exit code is the container's.
"""

import argparse
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from memory_layer import env as environment
from memory_layer.embedded import services
from memory_layer.embedded.data_dir import PROJECT_ROOT

SERVERS = ("web", "worker", "beat")
ROLES = (*SERVERS, "migrate", "manage")
WAIT_SECONDS = 60
_PAUSE_SECONDS = 0.5
_CONNECT_SECONDS = 3


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, wait, become the role. Raises SystemExit with a sentence when that cannot be."""
    options = parser()
    given = options.parse_args(arguments)
    if given.words and given.role != "manage":
        options.error(f"{given.role} takes no more words: {' '.join(given.words)}")
    env = environment.load()
    if given.role != "manage":
        wait_for_database(env.database_url, seconds=given.wait)
    os.chdir(PROJECT_ROOT)
    metrics_directory(os.environ, empty=given.role in SERVERS)
    command = command_of(given.role, env, given.words)
    os.execv(command[0], command)  # noqa: S606 - words of ours, and of who may start containers


def parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    options = argparse.ArgumentParser(prog="python -m memory_layer.serve", description=__doc__)
    options.add_argument("role", choices=ROLES)
    options.add_argument(
        "--wait", type=float, default=WAIT_SECONDS, metavar="SECONDS", help="for the database at the most"
    )
    options.add_argument("words", nargs=argparse.REMAINDER, help="of manage: the command and its options")
    return options


def command_of(role: str, env: environment.Env, words: Sequence[str] = ()) -> list[str]:
    """The command line of a role, in the project's directory."""
    log = Path(os.devnull)
    if role == "web":
        return list(services.web({}, log, env.host, env.port).command)
    if role == "worker":
        return list(services.worker({}, log).command)
    if role == "beat":
        return list(services.beat({}, log).command)
    if role == "migrate":
        words = ("migrate", "--noinput")
    return list(services.manage({}, log, *(words or ("help",))).command)


def metrics_directory(environ: Mapping[str, str], *, empty: bool) -> None:
    """Make the directory for the metrics of this container's processes, where there is one; `empty`: anew.

    They are files that nobody removes: those of a run before would be counted for ever. Commands leave them alone, for
    they may run beside a server.
    """
    if not (directory := environ.get("PROMETHEUS_MULTIPROC_DIR")):
        return
    if empty:
        shutil.rmtree(directory, ignore_errors=True)
    Path(directory).mkdir(mode=0o700, parents=True, exist_ok=True)


def wait_for_database(url: str, *, seconds: float) -> None:
    """Return once the database takes a connection.

    Raises SystemExit, which names the server but not the password, when it has not after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            psycopg.connect(make_conninfo(url, connect_timeout=_CONNECT_SECONDS)).close()
            return
        except psycopg.OperationalError as error:
            if time.monotonic() >= deadline:
                raise SystemExit(
                    f"The database {_place(url)} did not answer within {seconds:g} s: {str(error).strip()}"
                ) from None
        time.sleep(_PAUSE_SECONDS)


def _place(url: str) -> str:
    parts = conninfo_to_dict(url)
    return (
        f"{parts.get('dbname', '')} at {parts.get('host', 'the local socket')}:{parts.get('port') or '5432'}"
    )


if __name__ == "__main__":
    main()
