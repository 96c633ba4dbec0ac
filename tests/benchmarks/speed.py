"""Tenants of several sizes beside many others: what grows with the tenant, and what with the whole table."""

from dataclasses import dataclass

from memories.models import Message
from tenants.models import Tenant
from tests.benchmarks import bulk, cost, processes, timing, topical
from tests.benchmarks.clients import Client
from tests.benchmarks.times import Times
from tests.stack import Stack

QUESTIONS = 200
SLOW_QUESTIONS = 50  # where one search may take a second
SLOW_FROM = 500_000
WATCHED = "1k"


@dataclass(frozen=True)
class Scale:
    """Sizes of the tenants to measure, and the number of others of a thousand messages each."""

    sizes: dict[str, int]
    others: int

    @property
    def largest(self) -> tuple[str, int]:
        """Name and size."""
        return max(self.sizes.items(), key=lambda item: item[1])


SCALES = {
    "small": Scale({"100": 100, "1k": 1_000, "10k": 10_000}, others=20),
    "full": Scale({"100": 100, "1k": 1_000, "10k": 10_000, "50k": 50_000, "1M": 1_000_000}, others=1_000),
}


def run(stack: Stack, scale: Scale) -> None:
    """Load the watched tenant and nine others, measure; load the rest, measure that tenant again, and all."""
    url = stack.noted()["urls"]["MEMORY_DATABASE_URL"]
    seconds = bulk.load(url, {WATCHED: scale.sizes[WATCHED]} | _others(0, 9), seed=1)
    alone = _watched(stack)
    sizes = {name: size for name, size in scale.sizes.items() if name != WATCHED}
    seconds += bulk.load(url, _others(9, scale.others) | sizes, seed=1_000_000)
    beside = _watched(stack)
    print(f"\nSpeed: {beside.rows} messages by COPY in {seconds:.0f} s, {scale.others} other tenants of 1000")
    for name, size in scale.sizes.items():
        times = beside.times if name == WATCHED else _measured(stack, name)
        timing.print_times(f"{size:>8} messages", times)
    for what, before in alone.figures().items():
        after = beside.figures()[what]
        print(
            f"1000 messages, {what}: {before:.2f} ms in a table of {alone.rows}, "
            f"{after:.2f} ms in one of {beside.rows}, ratio {after / before:.2f}"
        )


@dataclass(frozen=True)
class Watched:
    """The tenant of a thousand messages, in a table of so many rows."""

    rows: int
    times: dict[str, Times]
    spent: processes.Spent

    def figures(self) -> dict[str, float]:
        """Milliseconds by name. CPU time is there because it does not drift with the machine's other work."""
        medians = {f"{way} p50": self.times[way].percentile(0.5) for way in (timing.API, timing.SQL)}
        cpu = sum(self.spent.seconds[group] for group in ("web", "PostgreSQL"))
        return medians | {"CPU of web and PostgreSQL": 1000 * cpu / cost.SEARCHES}


def _watched(stack: Stack) -> Watched:
    idle = processes.idle_rates(stack)
    return Watched(
        rows=Message.objects.count(),
        times=_measured(stack, WATCHED),
        spent=cost.per_search(stack, WATCHED, idle),
    )


def _others(start: int, stop: int) -> dict[str, int]:
    return {f"other-{number}": 1_000 for number in range(start, stop)}


def _measured(stack: Stack, name: str) -> dict[str, Times]:
    tenant = Tenant.objects.get(name=name)
    large = Message.objects.for_tenant(tenant.id).count() >= SLOW_FROM
    texts = topical.questions(SLOW_QUESTIONS if large else QUESTIONS, seed=tenant.id)
    with Client(stack.address()) as client:
        return timing.compare(client, tenant, texts)
