"""Things that happen at the same time, each in a thread with a connection of its own."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Start all of them together; what they returned, or the first error."""
    start = threading.Barrier(len(acts))

    def one(act: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result() for future in [pool.submit(one, act) for act in acts]]


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Look again and again until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in {seconds} s"
        time.sleep(0.002)


def somebody_waits() -> bool:
    """Whether any session of the database waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


@contextmanager
def uncommitted(act: Callable[[], Any]):
    """with uncommitted(act) as commit: it has been done in a transaction that is open until commit() is called."""
    done, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                act()
                done.set()
                assert go_on.wait(30)
        finally:
            done.set()
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        holding: Future[None] = pool.submit(hold)
        assert done.wait(30)

        def commit() -> None:
            go_on.set()
            wait([holding])
            holding.result()

        try:
            yield commit
        finally:
            go_on.set()
