"""CPU milliseconds of one search, web processes and PostgreSQL apart."""

from collections.abc import Mapping, Sequence

from tests.benchmarks import processes, topical
from tests.benchmarks.clients import Client
from tests.stack import Stack

SEARCHES, WARM_UP = 500, 50


def run(stack: Stack, tenants: Sequence[tuple[str, int]]) -> None:
    """Print a line for each tenant, given by name and number of messages."""
    print(f"\nCPU milliseconds per search ({SEARCHES} different questions, top_k 5)")
    idle = processes.idle_rates(stack)
    for name, count in tenants:
        print(f"{count:>10} messages: {per_search(stack, name, idle).per(SEARCHES)}")


def per_search(stack: Stack, tenant: str, idle: Mapping[str, float]) -> processes.Spent:
    """What SEARCHES searches take, after some that warm up."""
    texts = topical.questions(WARM_UP + SEARCHES, seed=100)
    with Client(stack.address()) as client:
        for text in texts[:WARM_UP]:
            client.search(tenant, text)
        with processes.measured(stack, idle) as spent:
            for text in texts[WARM_UP:]:
                client.search(tenant, text)
    return spent
