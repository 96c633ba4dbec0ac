"""One client of the load test, for a process of its own: no Django here, which such a process has not set up."""

import time
from functools import partial

from tests.benchmarks import topical
from tests.benchmarks.clients import Client
from tests.benchmarks.times import Times

# More than a client can ask: no question comes twice.
QUESTIONS = 20_000


def ask(address: str, tenant: str, place: int, seconds: float) -> tuple[list[float], float]:
    """Milliseconds of each request, and the CPU seconds that asking took."""
    times, texts = Times(), iter(topical.questions(QUESTIONS, seed=10_000 + place))
    with Client(address) as client:
        client.search(tenant, next(texts))
        cpu, end = time.process_time(), time.perf_counter() + seconds
        while time.perf_counter() < end:
            times.take(partial(client.search, tenant, next(texts)))
    return times.taken, time.process_time() - cpu
