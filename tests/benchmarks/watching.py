"""What a long run must not leak: memory, files, connections, dead rows and jobs of a running stack, as samples."""

import re
import time
from pathlib import Path
from typing import Any

import psycopg
import redis

from tests.benchmarks import processes
from tests.benchmarks.growth import Allowance
from tests.stack import Stack

MEMORY, FILES = "MB", "files"
GROUPS = ("supervisor", "web", "worker", "beat", "Redis", "PostgreSQL")
# Memory that no other process shares. PostgreSQL's buffers are filled by the data once, and are bounded.
ALLOWANCES = {
    **{f"{group}, {MEMORY}": Allowance(per_hour=20, noise=4) for group in GROUPS},
    **{f"{group}, {FILES}": Allowance(per_hour=20, noise=5) for group in GROUPS},
    # They keep the plans that they have made until their connection is renewed, all at about the same time: the first
    # ten minutes of a soak rise by 7 MB, then all begins anew.
    f"PostgreSQL, {MEMORY}": Allowance(per_hour=20, noise=10),
    # Each of its processes keeps the files of the tables that it has read open, up to a bound.
    f"PostgreSQL, {FILES}": Allowance(per_hour=200, noise=100),
    "connections of PostgreSQL": Allowance(per_hour=10, noise=3),
    "connections of Redis": Allowance(per_hour=10, noise=3),
    "dead rows, share of all": Allowance(per_hour=0.2, noise=0.1),
    "open jobs": Allowance(per_hour=3000, noise=500),
}
_PRIVATE = re.compile(r"^(?:Pss_Anon):\s+(\d+) kB", re.MULTILINE)
_RESIDENT = re.compile(r"^VmRSS:\s+(\d+) kB", re.MULTILINE)
_DEAD = """SELECT coalesce(sum(n_dead_tup), 0)::float / greatest(sum(n_live_tup + n_dead_tup), 1)
           FROM pg_stat_user_tables"""
_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"


class Watcher:
    """Takes samples of a stack; its own two connections are counted in each."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        urls = stack.noted()["urls"]
        self.database = psycopg.connect(urls["MEMORY_DATABASE_URL"], autocommit=True)
        self.redis = redis.Redis.from_url(urls["MEMORY_REDIS_URL"])
        self.started = time.monotonic()

    def __enter__(self) -> "Watcher":
        return self

    def __exit__(self, *_: object) -> None:
        self.database.close()
        self.redis.close()

    def sample(self) -> tuple[float, dict[str, float]]:
        """Seconds since the start, and every value by its name in ALLOWANCES."""
        values: dict[str, float] = {}
        for group in GROUPS:
            pids = self._pids(group)
            values[f"{group}, {MEMORY}"] = sum(map(_own_megabytes, pids))
            values[f"{group}, {FILES}"] = sum(map(_open_files, pids))
        values["connections of PostgreSQL"] = self._value(_CONNECTIONS)
        info: Any = self.redis.info("clients")
        values["connections of Redis"] = info["connected_clients"]
        values["dead rows, share of all"] = self._value(_DEAD)
        # Of all tenants, of which the login, whose own processes it counts above, sees none.
        [(jobs,)] = self.stack.sql("SELECT count(*) FROM memories_embeddingjob WHERE buried_at IS NULL")
        values["open jobs"] = float(jobs)
        return time.monotonic() - self.started, values

    def resident_megabytes(self) -> dict[str, float]:
        """RSS of each group: what `top` shows, shared memory counted with everybody who uses it."""
        return {group: sum(map(_resident_megabytes, self._pids(group))) for group in GROUPS}

    def database_megabytes(self) -> float:
        """Of all tables and indexes: grows with what is stored."""
        return self._value("SELECT pg_database_size(current_database())") / 1e6

    def _pids(self, group: str) -> set[int]:
        if group == "supervisor":
            return {self.stack.process.pid} if self.stack.process else set()
        return processes.members(self.stack, group)

    def _value(self, query: str) -> float:
        row = self.database.execute(query).fetchone()
        return float(row[0]) if row else 0.0


def _own_megabytes(pid: int) -> float:
    return _kilobytes(pid, "smaps_rollup", _PRIVATE) / 1000


def _resident_megabytes(pid: int) -> float:
    return _kilobytes(pid, "status", _RESIDENT) / 1000


def _kilobytes(pid: int, file: str, pattern: re.Pattern[str]) -> float:
    try:
        found = pattern.search(Path(f"/proc/{pid}/{file}").read_text(encoding="utf-8"))
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return 0.0
    return float(found[1]) if found else 0.0


def _open_files(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except (FileNotFoundError, ProcessLookupError):
        return 0
