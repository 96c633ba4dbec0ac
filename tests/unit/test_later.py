"""Calls that requests leave for later."""

import os
import select
import signal
import threading
import time
import warnings
from collections.abc import Iterator

import pytest

from memories.later import Later, finish_all


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
    goes_on.set()
    assert began.wait(10), "not lost because one was under way"
    assert calls == [0, 1]


def test_after_a_call_that_failed_the_next_comes():
    calls = threading.Semaphore(0)

    def fail() -> None:
        calls.release()
        raise ValueError

    later = Later(0.0, fail)
    for _ in range(2):
        later.wake()
        assert calls.acquire(timeout=10)


def test_all_calls_are_made_by_one_thread():
    """Each has a client of Redis of its own, which is not to be made anew each time."""
    threads, called = set(), threading.Semaphore(0)

    def take() -> None:
        threads.add(threading.current_thread())
        called.release()

    later = Later(0.0, take)
    for _ in range(3):
        later.wake()
        assert called.acquire(timeout=10)
    assert len(threads) == 1


def test_a_process_that_is_stopped_waits_for_no_thread():
    calls = []
    later, idle = Later(60, lambda: calls.append("late")), Later(60, lambda: calls.append("idle"))
    later.wake()
    finish_all()
    finish_all()
    assert calls == ["late"]
    del idle


def test_a_child_of_a_fork_has_a_thread_of_its_own():
    """Even if it was forked while a call was to come."""
    read, write = os.pipe()
    later = Later(0.0, lambda: os.write(write, b"x"))
    later.wake()
    assert os.read(read, 1) == b"x"
    later._comes = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: forking beside threads
        child = os.fork()
    if child == 0:
        later.wake()
        time.sleep(5)
        os._exit(0)
    try:
        assert select.select([read], [], [], 4)[0], "the child's thread has called"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(read)
        os.close(write)
