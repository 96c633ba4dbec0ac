"""The threads that answer requests."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pytest

from memory_layer.web.threads import Threads

SECONDS = 10


@pytest.fixture
def made():
    """A function that starts threads of which each notes itself with what it did, and the notes; stopped afterwards."""
    started: list[Threads[Any]] = []

    def make(
        count: int, do: Callable[[Any], object] = lambda _: None
    ) -> tuple[Threads[Any], SimpleQueue[Any]]:
        told: SimpleQueue[Any] = SimpleQueue()
        threads: Threads[Any] = Threads(
            count,
            do=do,
            tell=lambda work: told.put((work, threading.get_ident())),
            end=lambda: told.put(("ended", threading.get_ident())),
        )
        threads.start()
        started.append(threads)
        return threads, told

    yield make
    for threads in started:
        threads.stop(seconds=SECONDS)


def test_work_that_comes_alone_always_meets_the_same_thread(made):
    threads, told = made(4)
    met = set()
    for number in range(50):
        threads.give(number)
        done, thread = told.get(timeout=SECONDS)
        assert done == number
        met.add(thread)
    assert len(met) == 1


def test_work_that_comes_at_once_meets_all_threads(made):
    together = threading.Barrier(4)
    threads, told = made(4, do=lambda _: together.wait(SECONDS))
    for number in range(4):
        threads.give(number)
    assert len({told.get(timeout=SECONDS)[1] for _ in range(4)}) == 4


@pytest.mark.parametrize("count", [1, 2])
def test_work_that_finds_no_thread_waits_and_none_is_lost_or_done_twice(made, count):
    """Taken in the order in which it came: one thread shows it."""
    gate = threading.Event()
    threads, told = made(count, do=lambda _: gate.wait(SECONDS))
    for number in range(200):
        threads.give(number)
    gate.set()
    done = [told.get(timeout=SECONDS)[0] for _ in range(200)]
    assert (done if count == 1 else sorted(done)) == list(range(200))
    assert told.empty()


def test_threads_end_after_what_waits(made):
    gate = threading.Event()
    threads, told = made(2, do=lambda _: gate.wait(SECONDS))
    for number in range(10):
        threads.give(number)
    threading.Timer(0.2, gate.set).start()
    threads.stop(seconds=SECONDS)
    done = [told.get_nowait()[0] for _ in range(12)]
    assert sorted(map(str, done)) == sorted([*map(str, range(10)), "ended", "ended"])


def test_givers_and_takers_that_race_lose_nothing(made):
    threads, told = made(3)
    givers = [
        threading.Thread(target=lambda start=start: [threads.give(start + n) for n in range(500)])
        for start in (0, 500, 1000, 1500)
    ]
    for giver in givers:
        giver.start()
    assert sorted(told.get(timeout=SECONDS)[0] for _ in range(2000)) == list(range(2000))


def test_work_waits_where_no_thread_is_free(made):
    go_on = threading.Event()
    threads, told = made(1, lambda _: go_on.wait(SECONDS))
    threads.give("first")
    assert not threads.has_waiting()
    threads.give("second")
    assert threads.has_waiting()
    go_on.set()
    assert [told.get(timeout=SECONDS)[0] for _ in range(2)] == ["first", "second"]
    assert not threads.has_waiting()
