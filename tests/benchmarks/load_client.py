"""One client of the load test, for a process of its own: no Django here, which such a process has not set up."""

import time
from collections.abc import Sequence
from functools import partial

from tests.benchmarks import topical
from tests.benchmarks.clients import Client, Row
from tests.benchmarks.systems import System
from tests.benchmarks.times import Times

# More than a client can ask: no question comes twice.
QUESTIONS = 20_000
TOO_MANY = 429


def ask(
    system: System, address: str, tenant: str, place: int, seconds: float, top_k: int
) -> tuple[list[float], float]:
    """Milliseconds of each search, and the CPU seconds that asking took."""
    times, texts = Times(), iter(topical.questions(QUESTIONS, seed=10_000 + place))
    with Client(address) as client:
        system.search(client, tenant, next(texts), top_k)
        cpu, end = time.process_time(), time.perf_counter() + seconds
        while time.perf_counter() < end:
            times.take(partial(system.search, client, tenant, next(texts), top_k))
    return times.taken, time.process_time() - cpu


def tell(system: System, address: str, tenant: str, rows: Sequence[Row]) -> tuple[float, float]:
    """Store the messages one by one; when the first was sent and the last acknowledged, by the machine's one clock."""
    with Client(address) as client:
        started = time.perf_counter()
        for row in rows:
            system.store(client, tenant, [row])
        return started, time.perf_counter()


def knock(address: str, tenant: str, seconds: float, per_second: float | None) -> int:
    """Search for a tenant that is at its limit, at a pace or as fast as it goes; how often it was refused."""
    refused, started = 0, time.perf_counter()
    with Client(address) as client:
        while (now := time.perf_counter() - started) < seconds:
            refused += client.status(f"/v1/memory/search?tenant_id={tenant}&query=tea") == TOO_MANY
            if per_second:
                time.sleep(max(0.0, now + 1 / per_second - (time.perf_counter() - started)))
    return refused
