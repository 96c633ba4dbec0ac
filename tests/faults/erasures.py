"""Erasing a user of a whole stack while messages come in and are embedded: nothing is left, and nothing comes back."""

import random
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
import redis

from tests.benchmarks.chats import messages
from tests.benchmarks.clients import Client, in_threads, ingest
from tests.everywhere import in_database, in_redis
from tests.faults.kills import until_embedded
from tests.stack import BEYOND, Stack, running_stack

WORD, PERSON, CHAT = "xylophonist7391", "person-5512", "chat-9934"
MARKS = (WORD, PERSON, CHAT)
LONG_AGO = "2026-01-01T00:00:00Z"


def long_run(count: int, races: int) -> None:
    """On a stack of its own; prints the figures."""
    with running_stack() as stack:
        under_load(stack, count)
        stack.wait(lambda: _found(stack) == [], "new samples of the tables", seconds=150)
        print("0 hits in the planner's samples either, once beat had been by")
        against_embedding(stack, races)


def under_load(stack: Stack, count: int) -> tuple[int, int, list[str]]:
    """Erase somebody with so many messages while as many of others are stored, embedded and searched.

    How many messages were erased, how many of the others have a vector, and where something of the erased is left.
    """
    tenant = "erased"
    ingest(stack.address(), tenant, list(_marked(count)), batch=100, clients=4)
    others = [row | {"user_id": "somebody"} for row in messages(count, seed=8)]
    receipts: list[tuple[float, dict[str, Any]]] = []

    def erase() -> None:
        time.sleep(0.5)  # when the others are at it
        receipts.append(_erase(stack, tenant, PERSON))

    in_threads(
        [
            lambda: _ingest(stack, tenant, others),
            lambda: _search(stack, tenant, 50),
            erase,
        ]
    )
    [(seconds, receipt)] = receipts
    assert receipt["verified"]
    assert receipt["counts"]["memories_message"] == count, receipt
    _refuses_the_late(stack, tenant)
    until_embedded(stack, tenant)
    left = [place for place in _found(stack) if not place.startswith("samples of")]
    others_embedded = _rows(stack, tenant, "messageembedding")
    assert (left, others_embedded) == ([], count)
    vectors = receipt["counts"].get("memories_messageembedding", 0)
    print(
        f"erased {count} messages ({vectors} with vectors) in {seconds:.1f} s while {count} others came in: "
        "0 rows left, 0 hits of their words in the tables, Redis and the logs"
    )
    return receipt["counts"]["memories_message"], others_embedded, left


def against_embedding(stack: Stack, races: int) -> tuple[int, dict[str, int]]:
    """Store 20 messages, erase them while the worker embeds them, and again.

    How many messages were erased, and how many rows of them are left in which table.
    """
    tenant, dice, caught, erased = "raced", random.Random(1), 0, 0
    for number in range(races):
        person = f"person-{number}"
        rows = [row | {"user_id": person} for row in messages(20, seed=100 + number)]
        ingest(stack.address(), tenant, rows, batch=20, clients=1)
        time.sleep(dice.uniform(0, 0.03))
        _, receipt = _erase(stack, tenant, person)
        assert (receipt["verified"], receipt["counts"]["memories_message"]) == (True, 20)
        erased += receipt["counts"]["memories_message"]
        caught += receipt["counts"].get("memories_embeddingjob", 0) > 0
    until_embedded(stack, tenant)
    tables = ("message", "messageembedding", "embeddingjob", "termstatistic", "termchange")
    rows_left = {table: rows for table in tables if (rows := _rows(stack, tenant, table))}
    assert rows_left == {}
    print(f"{races} erasures against the worker, {caught} before it was done: 0 rows resurrected")
    return erased, rows_left


def _marked(count: int) -> Iterator[dict[str, Any]]:
    for row in messages(count, seed=7):
        yield row | {
            "user_id": PERSON,
            "conversation_id": f"{CHAT}-{row['conversation_id']}",
            "content": f"{row['content']} {WORD}",
            "external_id": f"{WORD}-{row['external_id']}",
            "metadata": {"secret": WORD},
            "created_at": LONG_AGO,
        }


def _rows(stack: Stack, tenant: str, table: str) -> int:
    of_it = "tenant_id = (SELECT id FROM tenants_tenant WHERE name = %s)"
    return int(stack.sql(f"SELECT count(*) FROM memories_{table} WHERE {of_it}", [tenant])[0][0])


def _ingest(stack: Stack, tenant: str, rows: list[dict[str, Any]]) -> None:
    ingest(stack.address(), tenant, rows, batch=20, clients=2)


def _search(stack: Stack, tenant: str, count: int) -> None:
    with Client(stack.address()) as client:
        for number in range(count):
            client.search(tenant, f"{WORD} went hiking {number}")


def _erase(stack: Stack, tenant: str, person: str) -> tuple[float, dict[str, Any]]:
    started = time.perf_counter()
    with Client(stack.address()) as client:
        receipt = client.delete(f"/v1/users/{quote(person, safe='')}?tenant_id={tenant}")
    return time.perf_counter() - started, receipt


def _refuses_the_late(stack: Stack, tenant: str) -> None:
    [late] = _marked(1)
    with Client(stack.address()) as client, pytest.raises(RuntimeError, match=r"409.*erased at"):
        client.post("/v1/messages", late | {"tenant_id": tenant})


def _found(stack: Stack) -> list[str]:
    urls = stack.noted()["urls"]
    with psycopg.connect(urls["MEMORY_DATABASE_URL"], autocommit=True, options=BEYOND) as connection:
        found = in_database(connection, MARKS)
    with redis.Redis.from_url(urls["MEMORY_REDIS_URL"]) as client:
        found += in_redis(client, MARKS)
    said = [stack.output, *stack.data_dir.rglob("*.log")]
    return found + [
        path.name for path in said if any(mark in path.read_text(errors="replace") for mark in MARKS)
    ]
