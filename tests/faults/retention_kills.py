"""kill -9 of a retention run, again and again: it goes on, and ends as one that nobody disturbed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.benchmarks.chats import messages
from tests.benchmarks.clients import ingest
from tests.faults.kills import until_embedded
from tests.stack import ROOT, Stack

CALM, KILLED = "calm", "killed"
CLIENTS = 4


def kill_runs(stack: Stack, *, count: int, kills: int) -> None:
    """Two tenants with the same `count` messages, two thirds due; AssertionError unless both end the same."""
    for tenant in (CALM, KILLED):
        ingest(stack.address(), tenant, list(_messages(count)), batch=500, clients=CLIENTS)
        until_embedded(stack, tenant)
    assert _retention(stack, CALM).wait() == 0
    chooser = random.Random(9)
    with _without_beat(stack):
        for _ in range(kills):
            _kill_one(stack, delay_seconds=chooser.uniform(0, 0.1))
        assert _retention(stack, KILLED).wait() == 0
    assert _archived(stack) == count - count // 3
    assert _state(stack, KILLED) == _state(stack, CALM)
    runs = stack.sql(
        "SELECT r.status, sum(r.archived) FROM retention_retentionrun r JOIN tenants_tenant t ON t.id = r.tenant_id "
        "WHERE t.name = %s GROUP BY 1",
        [KILLED],
    )
    assert [status for status, _ in runs] == ["done"], runs
    assert not stack.sql("SELECT FROM retention_plannedmove")


def _messages(count: int) -> Iterator[dict[str, Any]]:
    """Of no importance; a third of them new."""
    now = datetime.now(UTC)
    for number, message in enumerate(messages(count, seed=8)):
        days = 1 if number < count // 3 else 100
        yield message | {"importance": 0.1, "created_at": (now - timedelta(days=days)).isoformat()}


def _kill_one(stack: Stack, *, delay_seconds: float) -> None:
    """In the middle: after it has moved something, and before it is done."""
    before, process = _archived(stack), _retention(stack, KILLED)
    while _archived(stack) == before:
        assert process.poll() is None, "the run ended before it could be killed: give it more messages"
        time.sleep(0.002)
    time.sleep(delay_seconds)
    process.kill()
    process.wait()
    # As if its lease had run out.
    stack.sql("UPDATE retention_retentionrun SET lease_until = now() WHERE status = 'running' RETURNING 1")


@contextmanager
def _without_beat(stack: Stack) -> Iterator[None]:
    """Each minute it looks for runs whose process has died, and the stack's own worker would end ours."""
    beat = stack.child("beat")
    assert beat
    os.kill(beat, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(beat, signal.SIGCONT)


def _retention(stack: Stack, tenant: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "run_retention", "--tenant", tenant],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "MEMORY_DATA_DIR": str(stack.data_dir)},
        stdout=subprocess.DEVNULL,
    )


def _archived(stack: Stack) -> int:
    [(count,)] = stack.sql(
        "SELECT count(*) FROM memories_archivedmessage a JOIN tenants_tenant t ON t.id = a.tenant_id WHERE t.name = %s",
        [KILLED],
    )
    return count


def _state(stack: Stack, tenant: str) -> list[tuple[object, ...]]:
    """What is where, and with how many vectors, without ids and the clock."""
    return stack.sql(
        """
        SELECT m.content, m.conversation_id, m.importance, '' AS reason, count(e.part)
        FROM memories_message m JOIN tenants_tenant t ON t.id = m.tenant_id AND t.name = %s
        LEFT JOIN memories_messageembedding e ON e.tenant_id = m.tenant_id AND e.message_id = m.id
        GROUP BY m.tenant_id, m.id
        UNION ALL
        SELECT m.content, m.conversation_id, m.importance, m.reason, count(e.part)
        FROM memories_archivedmessage m JOIN tenants_tenant t ON t.id = m.tenant_id AND t.name = %s
        LEFT JOIN memories_archivedembedding e ON e.tenant_id = m.tenant_id AND e.message_id = m.id
        GROUP BY m.tenant_id, m.id
        ORDER BY 1, 2, 3, 4, 5
        """,
        [tenant, tenant],
    )
