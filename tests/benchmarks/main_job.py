"""The main job, measured through a whole running stack: ingest, embed, search, and workers killed meanwhile."""

import time

from memories.models import Message
from tenants.models import Tenant
from tests.benchmarks import timing
from tests.benchmarks.chats import messages, questions
from tests.benchmarks.clients import Client, Ingested, ingest
from tests.faults.kills import kill_workers, until_embedded
from tests.stack import Stack

COUNT = 10_000
CLIENTS = 4
QUESTIONS = 300
KILLS = 10


def run(stack: Stack) -> None:
    """Print every figure."""
    _ingest_and_embed(stack, "batches", batch=100)
    _ingest_and_embed(stack, "singly", batch=1)
    _search(stack, "batches")
    _kills(stack)


def _kills(stack: Stack) -> None:
    seconds = kill_workers(stack, tenant="killed", count=COUNT, kills=KILLS)
    print(
        f"worker killed {KILLS} times during {COUNT} messages: 0 lost, 0 doubled; "
        f"all embedded {seconds:.1f} s after the last kill or message"
    )


def _ingest_and_embed(stack: Stack, tenant: str, *, batch: int) -> Ingested:
    rows = list(messages(COUNT, seed=batch))
    started = time.perf_counter()
    result = ingest(stack.address(), tenant, rows, batch=batch, clients=CLIENTS)
    until_embedded(stack, tenant)
    total = time.perf_counter() - started
    how = f"batches of {batch}" if batch > 1 else "one by one"
    print(
        f"{COUNT} messages, {CLIENTS} clients, {how}: {COUNT / result.seconds:.0f} acknowledged/s; "
        f"all embedded {total:.1f} s after the first request ({COUNT / total:.0f}/s)"
    )
    return result


def _search(stack: Stack, tenant_name: str) -> None:
    tenant = Tenant.objects.get(name=tenant_name)
    count = Message.objects.for_tenant(tenant.id).count()
    with Client(stack.address()) as client:
        times = timing.compare(client, tenant, list(questions(QUESTIONS, seed=9)))
    timing.print_times(f"search at {count} messages", times)
