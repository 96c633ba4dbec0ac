"""The main job, measured through a whole running stack: ingest, embed, search, and workers killed meanwhile."""

import os
import signal
import statistics
import threading
import time
from collections.abc import Callable

from django.db import connection

from memories import candidates, query, search
from memories.embeddings import embed
from memories.filters import MessageFilters
from memories.models import EmbeddingJob, Message, MessageEmbedding
from memories.spaces import usable_space
from tenants.models import Tenant
from tests.benchmarks.chats import messages, questions
from tests.benchmarks.clients import Client, Ingested, ingest
from tests.stack import Stack

COUNT = 10_000
CLIENTS = 4
QUESTIONS = 300
KILLS = 10
PATIENCE_SECONDS = 300


def run(stack: Stack) -> None:
    """Print every figure."""
    _ingest_and_embed(stack, "batches", batch=100)
    _ingest_and_embed(stack, "singly", batch=1)
    _search(stack, "batches")
    kill_workers(stack, count=COUNT, kills=KILLS)


def kill_workers(stack: Stack, *, count: int, kills: int) -> None:
    """kill -9 of the Celery worker while messages come in: AssertionError if one is lost or doubled."""
    ended = threading.Event()
    killer = threading.Thread(target=_kill_again_and_again, args=(stack, kills, ended))
    killer.start()
    result = ingest(stack.address(), "killed", list(messages(count, seed=3)), batch=10, clients=CLIENTS)
    killer.join()
    ended.set()
    waited = _until_embedded("killed")
    tenant = Tenant.objects.get(name="killed")
    stored = set(Message.objects.for_tenant(tenant.id).values_list("id", flat=True))
    embedded = list(MessageEmbedding.objects.filter(tenant=tenant).values_list("message_id", flat=True))
    lost = {*result.ids} - {str(each) for each in stored}
    assert not lost
    assert len(stored) == count
    assert sorted(embedded) == sorted(stored)
    print(
        f"worker killed {kills} times during {count} messages: 0 lost, 0 doubled; "
        f"all embedded {waited:.1f} s after the last kill or message"
    )


def _ingest_and_embed(stack: Stack, tenant: str, *, batch: int) -> Ingested:
    rows = list(messages(COUNT, seed=batch))
    started = time.perf_counter()
    result = ingest(stack.address(), tenant, rows, batch=batch, clients=CLIENTS)
    _until_embedded(tenant)
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
    space_id, condition = usable_space().id, MessageFilters().as_q()
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


def _until_embedded(tenant: str) -> float:
    """Seconds until no job of the tenant is open; RuntimeError if that takes too long."""
    started = time.perf_counter()
    while EmbeddingJob.objects.filter(tenant__name=tenant).open().exists():
        if time.perf_counter() - started > PATIENCE_SECONDS:
            raise RuntimeError(f"jobs of {tenant} are still open after {PATIENCE_SECONDS} s")
        time.sleep(0.05)
    return time.perf_counter() - started


def _kill_again_and_again(stack: Stack, kills: int, ended: threading.Event) -> None:
    for _ in range(kills):
        before = stack.child("worker")
        os.kill(before, signal.SIGKILL)
        stack.wait(lambda before=before: stack.child("worker") != before, "a new worker", seconds=60)
        ended.wait(0.5)
