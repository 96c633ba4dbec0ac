"""What a rate limit costs a search, and whether a tenant that is at its limit slows another one down."""

import multiprocessing
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from tenants.models import Tenant
from tests.benchmarks import bulk, cost, processes, topical
from tests.benchmarks.clients import Client
from tests.benchmarks.load_client import knock
from tests.benchmarks.times import Times
from tests.stack import Stack

FREE, GREEDY, COUNT = "free", "greedy", 10_000
# A bot that ignores Retry-After and repeats itself, and one that does nothing else.
PACES = {"50 a second": 50.0, "100 a second": 100.0, "200 a second": 200.0, "as fast as it can": None}
ROUNDS, SECONDS = 6, 5.0
# The web processes remember a tenant for so long.
FORGOTTEN_SECONDS = 6.0


def run(stack: Stack) -> None:
    """Load, and print every figure. Phases with and without the greedy tenant take turns: the machine changes."""
    bulk.load(stack.noted()["urls"]["MEMORY_DATABASE_URL"], {FREE: COUNT, GREEDY: 10}, seed=5)
    Tenant.objects.filter(name=GREEDY).update(reads_per_minute=1, burst_seconds=60)
    print(f"\nRate limits: {COUNT} messages")
    idle = processes.idle_rates(stack)
    for name, per_minute in {"no limit": None, "a limit": 1_000_000, "no limit again": None}.items():
        Tenant.objects.filter(name=FREE).update(reads_per_minute=per_minute)
        time.sleep(FORGOTTEN_SECONDS)
        print(f"CPU ms per search, {name}: {cost.per_search(stack, FREE, idle).per(cost.SEARCHES)}")
    print(f"CPU ms per refused request: {_refusals(stack, idle)}")
    for name, pace in PACES.items():
        print(f"{name}: {_beside(stack, pace)}")


@dataclass
class Seen:
    """A tenant's searches alone and beside one that is refused."""

    alone: Times = field(default_factory=Times)
    beside: Times = field(default_factory=Times)
    refused: int = 0

    def __str__(self) -> str:
        ratio = self.beside.percentile(0.95) / self.alone.percentile(0.95)
        pace = self.refused / (ROUNDS * SECONDS)
        return f"{pace:.0f} refused/s; alone {self.alone}; beside {self.beside}; p95 {ratio:.2f} times"


def _refusals(stack: Stack, idle: Mapping[str, float]) -> str:
    """Of the servers and of the client itself, which runs on the same cores."""
    knock(stack.address(), GREEDY, 0.5, None)
    client = time.process_time()
    with processes.measured(stack, idle) as spent:
        refused = knock(stack.address(), GREEDY, SECONDS, None)
    client = time.process_time() - client
    return f"{spent.per(refused)}, client {1000 * client / refused:.2f} (at {refused / SECONDS:.0f}/s)"


def _beside(stack: Stack, pace: float | None) -> Seen:
    seen, texts = Seen(), iter(topical.questions(20_000, seed=11))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool, Client(stack.address()) as client:
        pool.submit(
            knock, stack.address(), GREEDY, 0.1, pace
        ).result()  # the process is there, the budget is empty
        for _ in range(ROUNDS):
            _search(client, texts, seen.alone)
            knocking = pool.submit(knock, stack.address(), GREEDY, SECONDS, pace)
            _search(client, texts, seen.beside)
            seen.refused += knocking.result()
    return seen


def _search(client: Client, texts: Iterator[str], times: Times) -> None:
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        times.take(partial(client.search, FREE, next(texts)))
