"""`make run` as a whole, seen from outside: for end-to-end tests, fault runs and benchmarks."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from memory_layer.embedded.binaries import postgres_bin
from memory_layer.embedded.joining import join
from tests.migrated import copy_cluster

# libpq's options of a connection that reaches all tenants' rows; the login itself reaches none.
BEYOND = "-c role=memory_worker"
ROOT = Path(__file__).parents[1]
DATA = "the data"
LOWEST_PORT, PORTS = 15_000, 15_000


class Stack:
    """`python -m memory_layer.embedded run`, seen from outside: its output, its address, its processes."""

    def __init__(self, home: Path, port: int, **settings: str) -> None:
        self.data_dir = home / DATA
        self.output = home / "output.txt"
        self.port = port
        self.settings = settings
        self.process: subprocess.Popen[bytes] | None = None

    def up(self) -> None:
        """Start it unless it runs; returns when it has printed everything."""
        if self.process and self.process.poll() is None:
            return
        self.process = self.spawn()
        self.wait(lambda: "Ctrl-C stops everything" in self.said(), "the banner", seconds=90)

    def spawn(self) -> subprocess.Popen[bytes]:
        """No HOME, no XDG_RUNTIME_DIR, no locale: what a bare container gives."""
        environ = {"PATH": os.environ["PATH"], "LANG": "C", "PORT": str(self.port)} | self.settings
        with self.output.open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "memory_layer.embedded", "run"],
                cwd=ROOT,
                env=environ | {"MEMORY_DATA_DIR": str(self.data_dir)},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def wait(self, ready: Callable[[], bool], what: str, seconds: float = 30) -> None:
        """Poll; a supervisor that died shows its last words."""
        deadline = time.monotonic() + seconds
        while not ready():
            died = self.process is not None and self.process.poll() is not None
            assert time.monotonic() < deadline, f"no {what} in {seconds} s:\n{self.said()}"
            assert not died or ready(), f"died before {what}:\n{self.said()}"
            time.sleep(0.05)

    def get(self, path: str) -> Any:
        """GET as JSON, from the address in the banner."""
        return self._call(urllib.request.Request(self.address() + path))

    def post(self, path: str, **body: object) -> Any:
        """POST as JSON."""
        headers = {"Content-Type": "application/json"}
        data = json.dumps(body).encode()
        return self._call(urllib.request.Request(self.address() + path, data=data, headers=headers))

    def address(self) -> str:
        """The URL in the banner: the port may be another than the one asked for."""
        return next(line for line in self.said().splitlines() if " is ready: " in line).split(" is ready: ")[
            1
        ]

    def _call(self, request: urllib.request.Request) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return json.load(answer)

    def enter_environment(self) -> None:
        """Let this process use the stack's servers, as manage.py would."""
        os.environ["MEMORY_DATA_DIR"] = str(self.data_dir)
        os.environ["DJANGO_SETTINGS_MODULE"] = "memory_layer.settings"
        join(os.environ)

    def down(self) -> None:
        """Stop it in order, if it runs."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def noted(self) -> dict[str, Any]:
        """What the supervisor wrote down about what it runs."""
        return json.loads((self.data_dir / "running.json").read_text())

    def child(self, name: str) -> int | None:
        """The pid of a child, as the supervisor noted it; None while it is being started again."""
        return next((child["pid"] for child in self.noted()["children"] if child["name"] == name), None)

    def sql(self, query: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of the stack's own database."""
        with psycopg.connect(self.noted()["urls"]["MEMORY_DATABASE_URL"], options=BEYOND) as connection:
            return connection.execute(query, params).fetchall()

    def children_of(self, pid: int | None) -> set[int]:
        """The processes that this one started."""
        return children_of(pid)

    def family(self) -> set[int]:
        """Every process below the supervisor, the supervisor included."""
        assert self.process
        family = {self.process.pid}
        parents = _parents()
        while grown := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= grown
        return family

    def cluster_state(self) -> str:
        command = [postgres_bin() / "pg_controldata", self.data_dir / "postgres"]
        text = subprocess.run(command, capture_output=True, text=True, check=True, env={"LC_ALL": "C"}).stdout
        return next(line for line in text.splitlines() if "cluster state" in line).split(":")[1].strip()


def children_of(pid: int | None) -> set[int]:
    """The processes that this one started and that still run."""
    return {child for child, parent in _parents().items() if parent == pid}


def alive(pids: set[int]) -> set[int]:
    """Those that still run; zombies have ended."""
    return pids & _parents().keys()


def free_port() -> int:
    """One that nobody listens on now."""
    with bound() as listener:
        return int(listener.getsockname()[1])


def bound() -> socket.socket:
    """To a port below those that the system gives to whoever asks for any, or makes a connection.

    Of these the next one, which a stack takes when its own is taken, may be gone before its web process listens.
    """
    while True:
        listener = socket.socket()
        try:
            listener.bind(("127.0.0.1", LOWEST_PORT + secrets.randbelow(PORTS)))
            return listener
        except OSError:
            listener.close()


def _parents() -> dict[int, int]:
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[:2]
        except OSError:
            continue  # it ended while we looked
        if state != "Z":
            parents[int(stat.parent.name)] = int(parent)
    return parents


@contextmanager
def running_stack(*, first_start: bool = False, **settings: str) -> Iterator[Stack]:
    """A stack with empty tables, in a path with a space, its wanted port taken; removed at the end.

    `first_start`: from nothing, initdb and all migrations included; else from a copy of a migrated cluster.
    """
    home = Path(tempfile.mkdtemp(prefix="make run "))
    home.chmod(0o711)  # root's PostgreSQL runs as nobody and must pass
    if not (first_start or "MEMORY_DATABASE_URL" in settings):
        copy_cluster(home / DATA)
    with stack_in(home, **settings) as stack:
        yield stack
    shutil.rmtree(home)


@contextmanager
def stack_in(home: Path, **settings: str) -> Iterator[Stack]:
    """The same in a directory of the caller's."""
    with bound() as listener:
        listener.listen(1)
        stack = Stack(home, listener.getsockname()[1], **settings)
        try:
            stack.up()
            yield stack
        finally:
            stack.down()
