"""Calls that requests leave for later."""

import threading
import time
from collections.abc import Iterator

import pytest

from memories.later import Later


@pytest.fixture
def _no_threads() -> Iterator[None]:
    """In place of the one for all tests: here they are what is tested."""
    return


def test_the_first_brings_a_call_about_and_the_next_wait_for_the_same_one():
    waits, calls, called = [], [], threading.Event()

    def take() -> None:
        calls.append(list(waits))
        waits.clear()
        called.set()

    later = Later(0.05, take)
    for number in range(3):
        waits.append(number)
        later.wake()
    assert called.wait(10)
    assert calls == [[0, 1, 2]]
    time.sleep(0.1)
    assert len(calls) == 1, "nothing waits, nothing is done"


def test_what_comes_while_the_call_is_made_gets_one_of_its_own():
    began, goes_on, calls = threading.Event(), threading.Event(), []

    def take() -> None:
        calls.append(len(calls))
        began.set()
        goes_on.wait(10)

    later = Later(0.0, take)
    later.wake()
    assert began.wait(10)
    began.clear()
    later.wake()
    assert began.wait(10), "not lost because one was under way"
    goes_on.set()
    assert calls == [0, 1]


def test_after_a_call_that_failed_the_next_comes(monkeypatch):
    failures, calls = [], threading.Semaphore(0)
    monkeypatch.setattr(threading, "excepthook", lambda failure: failures.append(failure.exc_type))

    def fail() -> None:
        calls.release()
        raise ValueError

    later = Later(0.0, fail)
    for _ in range(2):
        later.wake()
        assert calls.acquire(timeout=10)
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join(10)
    assert failures == [ValueError, ValueError]
