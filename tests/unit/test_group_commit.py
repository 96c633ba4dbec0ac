"""What several threads write at the same moment goes into one transaction, and nobody is refused for somebody else."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from memories.group_commit import GroupCommit

SECONDS = 10
KEY = "a tenant"


class Refused(Exception):
    """Nothing of the write is stored."""


class Lost(Exception):
    """Whether anything is stored, nobody knows."""


class Table:
    """Takes writes; those of one row "slow" wait until the test lets them go on."""

    def __init__(self) -> None:
        self.writes: list[list[str]] = []
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.lock = threading.Lock()

    def write(self, rows: Sequence[str], before_commit: Callable[[], None]) -> list[str]:
        with self.lock:
            self.writes.append(list(rows))
        if rows[0] == "slow":
            self.begun.set()
            assert self.go_on.wait(SECONDS)
        for row, error in (("refused", Refused), ("lost", Lost), ("exit", SystemExit)):
            if row in rows:
                raise error(row)
        before_commit()
        if rows[0] == "slow to commit":
            assert self.go_on.wait(SECONDS)
        return [row.upper() for row in rows]


@pytest.fixture
def table():
    return Table()


@pytest.fixture
def commits():
    return GroupCommit(alone=(Refused,))


@pytest.fixture
def pool():
    with ThreadPoolExecutor(16) as threads:
        yield threads


def behind_a_slow_one(
    commits: Any, table: Table, pool: ThreadPoolExecutor, *groups: Sequence[str]
) -> list[Future[Any]]:
    """Everybody's write: the slow one's, and those of `groups`, who came in this order while it was under way."""
    told = [pool.submit(commits.write, KEY, ["slow"], table.write)]
    assert table.begun.wait(SECONDS)
    for place, rows in enumerate(groups, start=1):
        told.append(pool.submit(commits.write, KEY, rows, table.write))
        while len(commits._waiting[KEY]) < place:
            pass
    table.go_on.set()
    return told


def outcome(future: Future[Any]) -> Any:
    return future.exception(SECONDS) or future.result()


def test_who_finds_nobody_writes_at_once(commits, table):
    assert [commits.write(KEY, [row], table.write) for row in "ab"] == [["A"], ["B"]]
    assert table.writes == [["a"], ["b"]]
    assert commits._waiting == {}


def test_those_who_come_meanwhile_are_written_together(commits, table, pool):
    told = behind_a_slow_one(commits, table, pool, ["a"], ["b", "c"], [], ["d"])
    assert [outcome(each) for each in told] == [["SLOW"], ["A"], ["B", "C"], [], ["D"]]
    assert table.writes == [["slow"], ["a", "b", "c", "d"]]
    assert commits._waiting == {}


def test_other_keys_wait_for_nobody(commits, table, pool):
    slow = pool.submit(commits.write, KEY, ["slow"], table.write)
    assert table.begun.wait(SECONDS)
    assert commits.write("another tenant", ["a"], table.write) == ["A"]
    table.go_on.set()
    assert outcome(slow) == ["SLOW"]


def test_the_next_is_written_while_one_commits(commits, table, pool):
    slow = pool.submit(commits.write, KEY, ["slow to commit"], table.write)
    while commits._waiting or not table.writes:
        pass
    assert commits.write(KEY, ["a"], table.write) == ["A"]
    assert not slow.done()
    table.go_on.set()
    assert outcome(slow) == ["SLOW TO COMMIT"]
    assert commits._waiting == {}


def test_a_refusal_is_for_the_one_who_is_refused(commits, table, pool):
    _, first, refused, last = behind_a_slow_one(commits, table, pool, ["a"], ["refused"], ["b"])
    assert (outcome(first), outcome(last)) == (["A"], ["B"])
    assert isinstance(outcome(refused), Refused)
    assert table.writes[1] == ["a", "refused", "b"]
    assert sorted(table.writes[2:]) == [["a"], ["b"], ["refused"]]


def test_who_is_refused_alone_is_not_written_again(commits, table):
    with pytest.raises(Refused):
        commits.write(KEY, ["refused"], table.write)
    assert table.writes == [["refused"]]
    assert commits.write(KEY, ["a"], table.write) == ["A"]


@pytest.mark.parametrize(("row", "error"), [("lost", Lost), ("exit", SystemExit)])
def test_what_may_be_stored_is_not_written_again(commits, table, pool, row, error):
    told = behind_a_slow_one(commits, table, pool, ["a"], [row], ["b"])
    assert outcome(told[0]) == ["SLOW"]
    assert [type(outcome(each)) for each in told[1:]] == [error] * 3
    assert table.writes == [["slow"], ["a", row, "b"]]
    assert commits.write(KEY, ["c"], table.write) == ["C"]


def test_many_at_once_are_each_written_once(commits, table, pool):
    names = [[f"{number}", f"{number}b"][: 1 + number % 2] for number in range(2000)]
    told = [pool.submit(commits.write, number % 3, rows, table.write) for number, rows in enumerate(names)]
    assert [outcome(each) for each in told] == [[row.upper() for row in rows] for rows in names]
    assert sorted(row for rows in table.writes for row in rows) == sorted(
        row for rows in names for row in rows
    )
    assert commits._waiting == {}
