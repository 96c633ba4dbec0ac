"""Several clients at once, each a process of its own, and where the time of a search goes."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.benchmarks import processes
from tests.benchmarks.clients import Client
from tests.benchmarks.load_client import ask
from tests.benchmarks.systems import OURS, System
from tests.benchmarks.times import Times
from tests.stack import Stack

CLIENTS, SECONDS = 8, 20.0
# Stages of memory_search_seconds that wait for the database; "total" holds all of them.
SQL_STAGES, WHOLE = ("words", "candidates", "messages"), "total"


def run(stack: Stack, tenant: str, count: int) -> None:
    """Print requests/s, percentiles, the shares of time and the CPU time per search."""
    idle = processes.idle_rates(stack)
    before = _stages(stack)
    with processes.measured(stack, idle) as spent:
        results = ask_at_once(OURS, stack.address(), tenant, SECONDS, top_k=5)
    after = _stages(stack)
    times = Times([each for taken, _ in results for each in taken])
    requests = len(times.taken)
    print(
        f"\nLoad: {CLIENTS} clients for {SECONDS:.0f} s, {count} messages, "
        f"{len(stack.children_of(stack.child('web')))} web processes"
    )
    print(f"{requests / SECONDS:.0f} requests/s; {times}")
    print(
        f"CPU ms per search: {spent.per(requests)}, clients {1000 * sum(cpu for _, cpu in results) / requests:.2f}"
    )
    _print_shares({name: after[name] - before.get(name, 0.0) for name in after}, sum(times.taken) / 1000)


def ask_at_once(
    system: System, address: str, tenant: str, seconds: float, *, top_k: int
) -> list[tuple[list[float], float]]:
    """Of each client: milliseconds of each search, CPU seconds."""
    with clients() as pool:
        asked = [pool.submit(ask, system, address, tenant, place, seconds, top_k) for place in range(CLIENTS)]
        return [each.result() for each in asked]


def clients() -> ProcessPoolExecutor:
    """Processes to be clients in. Spawned, not forked: a child must not share our database connection."""
    return ProcessPoolExecutor(CLIENTS, mp_context=multiprocessing.get_context("spawn"))


def _stages(stack: Stack) -> dict[str, float]:
    """Seconds that all searches so far have spent in each stage."""
    with Client(stack.address()) as client:
        text = client.get_text("/metrics")
    return {
        sample.labels["stage"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "memory_search_seconds_sum"
    }


def _print_shares(stages: dict[str, float], of_clients: float) -> None:
    """HTTP is what the clients waited beyond the use case: parsing, Django, JSON, and queueing for a web thread."""
    whole = stages[WHOLE]
    sql = sum(seconds for name, seconds in stages.items() if name in SQL_STAGES)
    shares: dict[str, Any] = {
        "SQL": sql,
        "Python of the search": whole - sql,
        "HTTP and queueing": of_clients - whole,
    }
    print(
        "share of the clients' time: "
        + ", ".join(f"{name} {each / of_clients:.0%}" for name, each in shares.items())
    )
    rest = ", ".join(f"{name} {each / whole:.0%}" for name, each in sorted(stages.items()) if name != WHOLE)
    print(f"share of the use case by stage: {rest}")
