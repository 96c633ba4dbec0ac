"""kill -9 of the Celery worker and its processes while messages come in: nothing acknowledged is lost or doubled."""

import contextlib
import os
import signal
import threading
import time

from tests.benchmarks.chats import messages
from tests.benchmarks.clients import ingest
from tests.stack import Stack

PATIENCE_SECONDS = 300
CLIENTS = 4


def kill_workers(stack: Stack, *, tenant: str, count: int, kills: int, batch: int = 10) -> float:
    """Ingest `count` messages from four clients and kill the worker `kills` times meanwhile.

    Seconds until all were embedded; AssertionError unless each is there once, with one vector.
    """
    done: list[int] = []
    killer = threading.Thread(target=_kill_again_and_again, args=(stack, kills, done))
    killer.start()
    rows = list(messages(count, seed=3))
    result = ingest(stack.address(), tenant, rows, batch=batch, clients=CLIENTS)
    killer.join()
    assert len(done) == kills
    seconds = until_embedded(stack, tenant)
    assert len(set(result.ids)) == count
    assert _ids(stack, tenant, "SELECT id FROM memories_message WHERE tenant_id = %s") == sorted(result.ids)
    embedded = _ids(stack, tenant, "SELECT message_id FROM memories_messageembedding WHERE tenant_id = %s")
    assert embedded == sorted(result.ids)
    return seconds


def until_embedded(stack: Stack, tenant: str) -> float:
    """Seconds until no job of the tenant is open; AssertionError if that takes too long."""
    started = time.perf_counter()
    query = """SELECT count(*) FROM memories_embeddingjob JOIN tenants_tenant t ON t.id = tenant_id
               WHERE t.name = %s AND buried_at IS NULL"""
    while stack.sql(query, [tenant])[0][0]:
        assert time.perf_counter() - started < PATIENCE_SECONDS, f"jobs of {tenant} are still open"
        time.sleep(0.05)
    return time.perf_counter() - started


def _ids(stack: Stack, tenant: str, query: str) -> list[str]:
    [(tenant_id,)] = stack.sql("SELECT id FROM tenants_tenant WHERE name = %s", [tenant])
    return sorted(str(row[0]) for row in stack.sql(query, [tenant_id]))


def _kill_again_and_again(stack: Stack, kills: int, done: list[int]) -> None:
    """Every tenth time the worker itself, whose restarts wait longer and longer; else one of its pool processes."""
    while len(done) < kills:
        worker = stack.child("worker")
        victims = {worker} if len(done) % 10 == 0 else stack.children_of(worker)
        with contextlib.suppress(ProcessLookupError):
            victim = max(victims - {None}, default=None)
            if victim:
                os.kill(victim, signal.SIGKILL)
                done.append(victim)
        time.sleep(0.5)
