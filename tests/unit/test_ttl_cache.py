"""The process's short memory: bounded in time and size, forgetful on demand, and never wrong for longer than told."""

import threading
from collections.abc import Callable

import pytest

from tenants.ttl_cache import TtlCache


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
def read(asked) -> Callable[[str], Callable[[], str]]:
    """read("x"): a reading that answers x and is noted."""

    def reading(answer: str) -> Callable[[], str]:
        def compute() -> str:
            asked.append(answer)
            return answer

        return compute

    return reading


def test_it_works(read, asked):
    cache: TtlCache[str, str] = TtlCache(seconds=60, size=2)
    assert [cache.remembered("key", read(answer)) for answer in "ab"] == ["a", "a"]
    assert asked == ["a"]


def test_a_value_lives_for_its_seconds(read, let_pass):
    cache: TtlCache[str, str] = TtlCache(seconds=500, size=2)
    assert cache.remembered("key", read("a")) == "a"
    let_pass(490)
    assert cache.remembered("key", read("b")) == "a"
    let_pass(11)
    assert cache.remembered("key", read("c")) == "c"


def test_nothing_found_is_not_remembered(read):
    cache: TtlCache[str, str | None] = TtlCache(seconds=60, size=2)
    assert cache.remembered("key", lambda: None) is None
    assert cache.remembered("key", read("a")) == "a"


def test_the_oldest_makes_room(read, asked):
    cache: TtlCache[str, str] = TtlCache(seconds=60, size=2)
    for key in ("a", "b", "c", "b", "c", "a"):
        assert cache.remembered(key, read(key)) == key
    assert asked == ["a", "b", "c", "a"]


def test_an_error_is_not_remembered(read):
    cache: TtlCache[str, str] = TtlCache(seconds=60, size=2)

    def fail() -> str:
        raise ValueError("down")

    with pytest.raises(ValueError, match="down"):
        cache.remembered("key", fail)
    assert cache.remembered("key", read("a")) == "a"


def test_what_was_being_read_when_all_was_forgotten_is_not_kept(read):
    cache: TtlCache[str, str] = TtlCache(seconds=60, size=2)

    def read_slowly() -> str:
        cache.forget()
        return "old"

    assert cache.remembered("key", read_slowly) == "old"
    assert cache.remembered("key", read("new")) == "new"


def test_threads_keep_it_within_its_size():
    cache: TtlCache[int, int] = TtlCache(seconds=60, size=10)
    wrong: list[int] = []

    def work(start: int) -> None:
        for number in range(start, start + 5000):
            if cache.remembered(number % 50, lambda number=number: number % 50) != number % 50:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=[7 * n]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(cache._entries) == 10
