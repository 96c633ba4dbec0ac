"""Those who take what others need: clients of a byte a second, connections that nobody uses, a second beat."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from urllib.parse import urlsplit

import psycopg

from memory_layer.embedded.joining import join
from tests.faults.callers import address_of
from tests.faults.parts import PARTS
from tests.faults.probes import until_well, wait_for
from tests.faults.table import Row, account
from tests.faults.traffic import Traffic
from tests.stack import ROOT, Stack

SLOW_CLIENTS = 64
HEADERS = (
    b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
)


def slow_clients(stack: Stack, *, count: int, seconds: float) -> Row:
    """Half of them send their headers a byte a second, half their bodies; the others go on meanwhile."""
    row = Row(fault=f"{SLOW_CLIENTS} clients of a byte a second", injected=SLOW_CLIENTS)
    until_well(stack)
    with Traffic(stack, "chaos slow", count, seed=31) as traffic:
        traffic.until(count // 10)
        with _trickling(stack):
            time.sleep(3)  # until each of them keeps somebody busy
            before, started = len(traffic.acknowledged), time.monotonic()
            while traffic.runs() and time.monotonic() < started + seconds:
                time.sleep(0.05)
            served = len(traffic.acknowledged) - before
            row.down.append(time.monotonic() - started)
        row.note_recovery(until_well(stack))
    if not served:
        row.unmet.append(f"nobody else was served in {row.down[0]:.0f} s")
    return account(row, stack, traffic)


@contextmanager
def _trickling(stack: Stack) -> Iterator[None]:
    where, stop = urlsplit(address_of(stack)), threading.Event()
    sockets = [socket.create_connection((where.hostname or "", where.port or 0)) for _ in range(SLOW_CLIENTS)]

    def trickle() -> None:
        for number in range(len(HEADERS)):
            for place, each in enumerate(sockets):
                whole = place % 2 and number == 0
                with contextlib.suppress(OSError):
                    each.sendall(HEADERS if whole else b"x" if place % 2 else HEADERS[number : number + 1])
            if stop.wait(1):
                return

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        for each in sockets:
            each.close()


def no_connections(stack: Stack, *, count: int, seconds: float) -> Row:
    """Idle clients take every connection that PostgreSQL gives to anybody but its superuser, and a web worker dies."""
    row = Row(fault="every connection taken")
    until_well(stack)
    with Traffic(stack, "chaos connections", count, seed=32) as traffic:
        traffic.until(count // 4)
        taken: list[psycopg.Connection] = []
        started, killed = time.monotonic(), False
        while time.monotonic() < started + seconds and traffic.runs():
            with contextlib.suppress(psycopg.OperationalError):
                taken.append(psycopg.connect(stack.noted()["urls"]["MEMORY_DATABASE_URL"]))
                continue
            if not killed:
                PARTS["a web worker"](stack)  # its successor needs connections
                killed = True
            time.sleep(0.05)
        row.injected = len(taken)
        for connection in taken:
            connection.close()
        row.down.append(time.monotonic() - started)
        row.note_recovery(until_well(stack))
    return account(row, stack, traffic)


def two_beats(stack: Stack, *, count: int, slots: int) -> Row:
    """A second beat, and a policy that is due every minute: each of its slots runs once."""
    row = Row(fault="two beats", injected=1)
    until_well(stack)
    tenant = "chaos beats"
    with Traffic(stack, tenant, count, seed=33) as traffic:
        traffic.until(1)
        policy = {
            "tenant_id": tenant,
            "name": "each minute",
            "older_than_days": 30,
            "schedule": {"every_minutes": 1},
        }
        stack.post("/v1/admin/policies", **policy)
        with _another_beat(stack):
            wait_for(lambda: len(_slots(stack, tenant)) >= slots, f"{slots} slots", seconds=90 * slots)
    started = _slots(stack, tenant)
    apart = [(later - earlier).total_seconds() for earlier, later in pairwise(started)]
    assert all(gap > 30 for gap in apart), f"a slot ran twice: {apart}"
    print(f"{len(started)} slots under two beats, each run once")
    return account(row, stack, traffic)


def _slots(stack: Stack, tenant: str) -> list:
    query = """SELECT started_at FROM retention_retentionrun r JOIN tenants_tenant t ON t.id = r.tenant_id
               WHERE t.name = %s AND trigger = 'schedule' ORDER BY 1"""
    return [moment for (moment,) in stack.sql(query, [tenant])]


@contextmanager
def _another_beat(stack: Stack) -> Iterator[None]:
    environ = {"PATH": os.environ["PATH"], "MEMORY_DATA_DIR": str(stack.data_dir)} | stack.settings
    join(environ)
    command = [sys.executable, "-m", "celery", "-A", "memory_layer", "beat", "--pidfile="]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environ | {"DJANGO_SETTINGS_MODULE": "memory_layer.settings"},
        stderr=subprocess.DEVNULL,
    ) as beat:
        try:
            yield
            assert beat.poll() is None, "the second beat has ended"
        finally:
            beat.terminate()
