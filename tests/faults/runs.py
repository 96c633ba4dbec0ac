"""The long runs against a whole stack; each prints its figures and fails on a loss."""

import math
import os
import shutil
import signal
import threading
import time

from tests.benchmarks.chats import messages
from tests.benchmarks.clients import ingest
from tests.faults.embedding_server import EmbeddingServer, vector_of
from tests.faults.kills import kill_workers, until_embedded
from tests.faults.retention_kills import kill_runs
from tests.stack import Stack, running_stack

CLIENTS = 4
BATCH = 32


def worker_kills(count: int, kills: int) -> None:
    """kill -9 of the worker, again and again, while messages come in."""
    with running_stack(MEMORY_EMBEDDING_LEASE_SECONDS="15") as stack:
        seconds = kill_workers(stack, tenant="kills", count=count, kills=kills, batch=1)
        print(
            f"worker killed {kills} times during {count} messages: 0 lost, 0 doubled, all embedded "
            f"{seconds:.1f} s after the last kill or message"
        )


def redis_kills(count: int, kills: int) -> None:
    """On a stack of its own."""
    with running_stack(MEMORY_EMBEDDING_LEASE_SECONDS="15") as stack:
        lose_redis(stack, count=count, kills=kills)


def lose_redis(stack: Stack, *, count: int, kills: int) -> tuple[int, int]:
    """kill -9 of Redis, its files removed, while messages come in: no client sees an error, nothing is lost.

    How many messages were acknowledged, and how many have a vector.
    """
    tenant = "redis"
    killer = threading.Thread(target=_kill_redis, args=(stack, kills))
    killer.start()
    result = ingest(stack.address(), tenant, list(messages(count, seed=4)), batch=1, clients=CLIENTS)
    killer.join()
    seconds = until_embedded(stack, tenant)
    [(stored,)] = stack.sql(
        "SELECT count(*) FROM memories_messageembedding JOIN tenants_tenant t ON t.id = tenant_id WHERE t.name = %s",
        [tenant],
    )
    assert stored == len(result.ids) == count
    print(
        f"Redis killed {kills} times without its files during {count} messages: 0 client errors, 0 lost, "
        f"all embedded {seconds:.1f} s after the last return or message"
    )
    return len(result.ids), stored


def retention_kills(count: int, kills: int) -> None:
    """kill -9 of a retention run: two tenants with the same messages, one disturbed, end the same."""
    with running_stack() as stack:
        kill_runs(stack, count=count, kills=kills)
        print(
            f"retention run over {count} messages killed {kills} times: same rows at the end as an undisturbed one"
        )


def bad_provider(count: int, fault_share: float) -> tuple[int, int]:
    """A provider that fails at random in nine ways: every message ends with its own vector.

    How many vectors are wrong, and how many there are.
    """
    with EmbeddingServer(fault_share=fault_share) as server:
        settings = server.settings | {"MEMORY_EMBEDDING_BATCH_SIZE": str(BATCH)}
        with running_stack(**settings) as stack:
            rows = list(messages(count, seed=5))
            started = time.perf_counter()
            ingest(stack.address(), "bad", rows, batch=100, clients=CLIENTS)
            until_embedded(stack, "bad")
            seconds = time.perf_counter() - started
            wrong, stored = _wrong_vectors(stack)
            assert (wrong, stored) == (0, count)
            needed = math.ceil(count / BATCH)
            print(
                f"{count} messages through a provider with {fault_share:.0%} faults: 0 lost, 0 wrong vectors, "
                f"{server.calls} calls for {needed} needed ({server.calls / needed:.2f}), {seconds:.0f} s"
            )
            return wrong, stored


def slow_provider(count: int, workers: int, latency_seconds: float) -> None:
    """How fast messages are embedded where each call takes its time."""
    with EmbeddingServer(latency_seconds=latency_seconds) as server:
        settings = server.settings | {"MEMORY_WORKER_CONCURRENCY": str(workers)}
        with running_stack(**settings) as stack:
            started = time.perf_counter()
            ingest(stack.address(), "slow", list(messages(count, seed=6)), batch=500, clients=CLIENTS)
            until_embedded(stack, "slow")
            seconds = time.perf_counter() - started
            print(
                f"{count} messages, provider with {latency_seconds * 1000:.0f} ms latency, {workers} worker "
                f"processes: {count / seconds:.0f} embedded/s from the first request, {server.calls} calls"
            )


def _kill_redis(stack: Stack, kills: int) -> None:
    for _ in range(kills):
        before = stack.child("Redis")
        assert before
        os.kill(before, signal.SIGKILL)
        for path in (stack.data_dir / "redis").iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        stack.wait(
            lambda before=before: stack.child("Redis") not in (before, None), "a new Redis", seconds=60
        )
        time.sleep(3)


def _wrong_vectors(stack: Stack) -> tuple[int, int]:
    """How many stored vectors are not those of their text, and how many there are."""
    rows = stack.sql(
        """SELECT m.name, m.content, e.embedding::text FROM memories_messageembedding e
           JOIN memories_message m ON m.tenant_id = e.tenant_id AND m.id = e.message_id"""
    )
    wrong = 0
    for name, content, text in rows:
        stored = [float(number) for number in text.strip("[]").split(",")]
        expected = vector_of(f"{name}: {content}")
        wrong += any(abs(a - b) > 1e-3 for a, b in zip(stored, expected, strict=True))
    return wrong, len(rows)
