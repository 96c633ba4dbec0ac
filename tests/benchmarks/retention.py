"""A retention run over a large tenant while others search and write in it: how fast, and who waits for whom."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg

from retention.models import RetentionPolicy
from tenants.models import Tenant
from tests.benchmarks import bulk, topical
from tests.benchmarks.clients import Client
from tests.benchmarks.times import Times
from tests.stack import Stack

NAME = "retained"
SIZES = {"small": 100_000, "full": 1_000_000}
# Of the oldest of a tenant whose messages are spread over bulk.SPREAD.
SHARE_DUE = 0.3
BEFORE_SECONDS = 15.0
WAITS_EVERY_SECONDS = 0.005


def run(stack: Stack, scale: str) -> None:
    """Load, preview, run under traffic, restore; print every figure."""
    url = stack.noted()["urls"]["MEMORY_DATABASE_URL"]
    size = SIZES[scale]
    seconds = bulk.load(url, {NAME: size}, seed=77)
    tenant = Tenant.objects.get(name=NAME)
    days = bulk.SPREAD / timedelta(days=1) * (1 - SHARE_DUE)
    RetentionPolicy.objects.create(tenant=tenant, name="old", older_than_days=days)
    print(f"\nRetention: {size} messages, loaded in {seconds:.0f} s, {SHARE_DUE:.0%} of them due")
    _preview(stack)
    before = _traffic(stack, url, lambda: time.sleep(BEFORE_SECONDS))
    run_id, during = _under_traffic(stack, url, "/v1/admin/retention/run", {"tenant_id": NAME})
    print(f"before the run: {before}")
    print(f"during the run: {during}")
    ratio = during.searches.percentile(0.95) / before.searches.percentile(0.95)
    print(f"search p95 during the run over before: {ratio:.2f}")
    restore = f"/v1/admin/retention/runs/{run_id}/restore?tenant_id={NAME}"
    _, restoring = _under_traffic(stack, url, restore, {})
    print(f"during the restore: {restoring}")


@dataclass
class Traffic:
    """What one searcher and one writer saw, and the longest that anybody waited for a lock."""

    searches: Times = field(default_factory=Times)
    writes: Times = field(default_factory=Times)
    lock_wait_ms: float = 0.0

    def __str__(self) -> str:
        return (
            f"searches {self.searches}; writes {self.writes}, slowest {max(self.writes.taken):.0f} ms; "
            f"longest wait for a lock {self.lock_wait_ms:.0f} ms"
        )


def _preview(stack: Stack) -> None:
    times = Times()
    with Client(stack.address()) as client:
        for _ in range(3):
            said = times.take(
                lambda: client.post("/v1/admin/retention/preview", {"tenant_id": NAME}, expected=200)
            )
    print(f"preview of {said['archived']} due: {min(times.taken) / 1000:.2f} s at best, {times}")


def _under_traffic(stack: Stack, url: str, path: str, body: dict[str, Any]) -> tuple[str, Traffic]:
    """The run's id, and what others saw meanwhile."""
    done: dict[str, Any] = {}

    def act() -> None:
        started = time.perf_counter()
        with Client(stack.address()) as client:
            answer = client.post(path, body, expected=(200, 202))
            while answer["status"] == "running":
                time.sleep(0.2)
                answer = client.get(f"/v1/admin/retention/runs/{answer['run_id']}?tenant_id={NAME}")
        seconds = time.perf_counter() - started
        moved = answer["archived"] + answer.get("restored", 0)
        what = "archived" if answer["archived"] else "restored"
        print(f"{what} {moved} rows in {seconds:.1f} s: {moved / seconds:.0f} rows/s")
        done.update(answer)

    traffic = _traffic(stack, url, act)
    return done["run_id"], traffic


def _traffic(stack: Stack, url: str, act: Callable[[], None]) -> Traffic:
    """Search and write, one after the other each, until `act` has returned."""
    seen, over = Traffic(), threading.Event()
    threads = [
        threading.Thread(target=work, args=(stack, url, seen, over))
        for work in (_search, _write, _watch_locks)
    ]
    for thread in threads:
        thread.start()
    try:
        act()
    finally:
        over.set()
        for thread in threads:
            thread.join()
    return seen


def _search(stack: Stack, _: str, seen: Traffic, over: threading.Event) -> None:
    with Client(stack.address()) as client:
        for text in topical.questions(100_000, seed=5):
            if over.is_set():
                return
            seen.searches.take(lambda text=text: client.search(NAME, text))


def _write(stack: Stack, _: str, seen: Traffic, over: threading.Event) -> None:
    message = {"tenant_id": NAME, "conversation_id": "now", "role": "user", "content": "A word in between."}
    with Client(stack.address()) as client:
        while not over.is_set():
            seen.writes.take(lambda: client.post("/v1/messages", message))


def _watch_locks(_: Stack, url: str, seen: Traffic, over: threading.Event) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        while not over.wait(WAITS_EVERY_SECONDS):
            [waited] = connection.execute(
                "SELECT max(extract(epoch FROM clock_timestamp() - waitstart)) FROM pg_locks WHERE NOT granted"
            ).fetchone()
            seen.lock_wait_ms = max(seen.lock_wait_ms, 1000 * float(waited or 0))
