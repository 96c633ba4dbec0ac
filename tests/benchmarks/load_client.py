"""One client of the load test, for a process of its own: no Django here, which such a process has not set up."""

import time
from functools import partial

from tests.benchmarks import topical
from tests.benchmarks.clients import Client
from tests.benchmarks.times import Times

# More than a client can ask: no question comes twice.
QUESTIONS = 20_000
TOO_MANY = 429


def ask(address: str, tenant: str, place: int, seconds: float) -> tuple[list[float], float]:
    """Milliseconds of each request, and the CPU seconds that asking took."""
    times, texts = Times(), iter(topical.questions(QUESTIONS, seed=10_000 + place))
    with Client(address) as client:
        client.search(tenant, next(texts))
        cpu, end = time.process_time(), time.perf_counter() + seconds
        while time.perf_counter() < end:
            times.take(partial(client.search, tenant, next(texts)))
    return times.taken, time.process_time() - cpu


def knock(address: str, tenant: str, seconds: float, per_second: float | None) -> int:
    """Search for a tenant that is at its limit, at a pace or as fast as it goes; how often it was refused."""
    refused, started = 0, time.perf_counter()
    with Client(address) as client:
        while (now := time.perf_counter() - started) < seconds:
            refused += client.status(f"/v1/memory/search?tenant_id={tenant}&query=tea") == TOO_MANY
            if per_second:
                time.sleep(max(0.0, now + 1 / per_second - (time.perf_counter() - started)))
    return refused
