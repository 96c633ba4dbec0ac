"""Connections that PostgreSQL has ended, as by a restart: whoever finds one, the others are not used again."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import OperationalError, connection

pytestmark = pytest.mark.django_db(transaction=True)

Thread = Callable[[Callable[[], Any]], Any]


def backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def close() -> None:
    connection.close()


def between_requests() -> None:
    connection.close_if_unusable_or_obsolete()


@pytest.fixture
def threads() -> Iterator[tuple[Thread, Thread]]:
    """Two threads with a connection each, as those of the web server; called with what they are to do."""
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        yield (lambda do: one.submit(do).result(), lambda do: other.submit(do).result())
        for pool in (one, other):
            pool.submit(close).result()


def end(*backends: int) -> None:
    with psycopg.connect(settings.ENV.database_url, autocommit=True) as operator:
        for each in backends:
            operator.execute("SELECT pg_terminate_backend(%s, 5000)", [each])


@pytest.fixture
def after_a_loss(threads: tuple[Thread, Thread]) -> tuple[Thread, Thread]:
    """Both connections were ended, and the first thread has failed for it."""
    busy, idle = threads
    end(busy(backend), idle(backend))
    with pytest.raises(OperationalError):
        busy(backend)
    return threads


def test_one_request_finds_out_for_all(after_a_loss: tuple[Thread, Thread]) -> None:
    for thread in after_a_loss:
        thread(between_requests)
        assert thread(backend)


def test_new_connections_stay(after_a_loss: tuple[Thread, Thread]) -> None:
    for thread in after_a_loss:
        thread(between_requests)
    before = [thread(backend) for thread in after_a_loss]
    for thread in after_a_loss * 2:
        thread(between_requests)
    assert [thread(backend) for thread in after_a_loss] == before


def test_an_error_that_is_no_loss_closes_nothing(threads: tuple[Thread, Thread]) -> None:
    busy, _ = threads
    before = [thread(backend) for thread in threads]
    with pytest.raises(OperationalError, match="timeout"):
        busy(runs_out_of_time)
    for thread in threads:
        thread(between_requests)
    assert [thread(backend) for thread in threads] == before


def runs_out_of_time() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '1ms'")
        try:
            cursor.execute("SELECT pg_sleep(1)")
        finally:
            cursor.execute("RESET statement_timeout")
