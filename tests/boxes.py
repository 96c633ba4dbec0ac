"""Containers' processes outside of containers: each role by its command, with nothing but what a compose file says."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.databases import fresh_database
from tests.stack import ROOT, free_port

OPERATOR = "an-operator-key-of-this-test"
# Between two health checks: each takes half a second of CPU time. Beat leaves its first mark after 15 s.
PAUSE_SECONDS = {"web": 1, "worker": 1, "beat": 3}


class Box:
    """A container's environment: nothing but what its compose file says."""

    def __init__(self, database_url: str, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.environ = {
            "PATH": os.environ["PATH"],
            "MEMORY_DATABASE_URL": database_url,
            "MEMORY_REDIS_URL": os.environ["MEMORY_REDIS_URL"].replace("db=0", "db=7"),
            "MEMORY_SECRET_KEY": "a-secret-for-containers-0123456789",
            "MEMORY_API_KEYS": OPERATOR,
            "MEMORY_PORT": str(self.port),
            "MEMORY_WEB_WORKERS": "1",
            "PROMETHEUS_MULTIPROC_DIR": str(home / "metrics"),
        }

    def start(self, role: str) -> subprocess.Popen[bytes]:
        """A server. It logs to a file: a pipe that nobody reads would fill, and stop it."""
        self.home.mkdir(exist_ok=True)
        with (self.home / f"{role}.log").open("ab") as log:
            return subprocess.Popen(
                self._command("memory_layer.serve", role),
                env=self._environ({}),
                cwd="/",
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def run(self, *words: str, **settings: str) -> tuple[int, str]:
        """`python -m WORDS` to its end: exit code and output."""
        done = subprocess.run(
            self._command(*words),
            env=self._environ(settings),
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", *words]

    def _environ(self, settings: dict[str, str]) -> dict[str, str]:
        """Started from a directory that is not the project's."""
        return {"PYTHONPATH": str(ROOT)} | self.environ | settings

    def probe(self, role: str) -> str:
        """What the health check says, once it is content; its last word if it never is."""
        deadline = time.monotonic() + 40
        while True:
            code, said = self.run("memory_layer.probe", role)
            if code == 0 or time.monotonic() > deadline:
                return said.strip()
            time.sleep(PAUSE_SECONDS[role])


@contextmanager
def migrated(home: Path) -> Iterator[Box]:
    """A migrated database of its own, and a Redis that holds nothing."""
    with fresh_database() as url:
        box = Box(url, home)
        with redis.Redis.from_url(box.environ["MEMORY_REDIS_URL"]) as client:
            client.flushdb()
        code, said = box.run("memory_layer.serve", "migrate")
        assert code == 0, said
        yield box
