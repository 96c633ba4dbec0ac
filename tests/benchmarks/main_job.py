"""The main job, measured through a whole running stack: ingest, embed, search, and workers killed meanwhile."""

import statistics
import time
from collections.abc import Callable

from django.db import connection

from memories import candidates, query, search
from memories.embeddings import embed
from memories.filters import MessageFilters
from memories.spaces import active_space
from tenants.models import Tenant
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
    outcome = kill_workers(stack, tenant="killed", count=COUNT, kills=KILLS)
    lost = outcome.acknowledged - set(outcome.stored) | (set(outcome.stored) - set(outcome.embedded))
    doubled = (
        len(outcome.stored) - len(outcome.acknowledged) + len(outcome.embedded) - len(set(outcome.embedded))
    )
    print(
        f"worker killed {KILLS} times during {COUNT} messages: {len(lost)} lost, {doubled} doubled; "
        f"all embedded {outcome.seconds_to_embedded:.1f} s after the last kill or message"
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
    """API, use case and SQL over the same questions, in turn, so that the machine's drift meets all three."""
    tenant = Tenant.objects.get(name=tenant_name)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM memories_message WHERE tenant_id = %s", [tenant.id])
        count = cursor.fetchone()[0]
    client, filters = Client(stack.address()), MessageFilters()
    took: dict[str, list[float]] = {"API": [], "use case": [], "SQL": []}
    for text in questions(QUESTIONS, seed=9):
        path = f"/v1/memory/search?tenant_id={tenant_name}&top_k=5&query={text.replace(' ', '+')}"
        _time(took["API"], lambda path=path: client.get(path))
        _time(
            took["use case"],
            lambda text=text: search.search(tenant=tenant, text=text, top_k=5, filters=filters),
        )
        _time(took["SQL"], _prepared_sql(tenant, text))
    for name, times in took.items():
        ratio = statistics.median(times) / statistics.median(took["SQL"])
        p95 = sorted(times)[int(0.95 * len(times))]
        print(
            f"search at {count} messages, {name:<8}: p50 {statistics.median(times):.1f} ms, p95 {p95:.1f} ms, "
            f"{ratio:.2f} of the SQL alone"
        )


def _prepared_sql(tenant: Tenant, text: str) -> Callable[[], object]:
    words = candidates.read_words(tenant.id, text=text, names=query.possible_names(text))
    vector = embed([query.in_first_person(text, words.speakers)])[0]
    space_id, condition = active_space().id, MessageFilters().as_q()
    return lambda: candidates.gather(
        tenant.id,
        space_id=space_id,
        vector=vector,
        lexemes=words.lexemes,
        speakers=words.speakers,
        condition=condition,
    )


def _time(times: list[float], call: Callable[[], object]) -> None:
    started = time.perf_counter()
    call()
    times.append((time.perf_counter() - started) * 1000)
