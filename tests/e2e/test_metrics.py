"""One scrape tells what web, worker and beat counted."""

import re
import sys

import pytest

from tests.benchmarks.clients import Client
from tests.stack import Stack

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")


def told(stack: Stack) -> dict[str, float]:
    with Client(stack.address()) as client:
        text = client.get_text("/metrics")
    return {name: float(value) for name, value in re.findall(r"^(\w+(?:\{.*\})?) (\S+)$", text, re.MULTILINE)}


def test_all_processes_are_told_together(stack: Stack) -> None:
    stack.up()
    stack.post("/v1/messages", tenant_id="metrics", conversation_id="c", role="user", content="tea")
    ended = 'memory_tasks_total{outcome="ok",task="memories.tasks.embed_pending"}'
    sent = 'memory_tasks_sent_total{task="memories.tasks.sweep"}'
    stack.wait(lambda: {ended, sent} <= told(stack).keys(), "a task and a sweep", seconds=60)
    found = told(stack)
    assert found["memory_messages_ingested_total"] >= 1, "counted by a web process"
    assert found["memory_messages_embedded_total"] >= 1, "counted by a worker"
    assert found[sent] >= 1, "counted by beat"
    for part in ("database", "redis", "worker", "provider"):
        assert found[f'memory_part_ok{{part="{part}"}}'] == 1
