"""Group commit: what several threads write at the same moment goes into one transaction.

While one writes, those that come for the same key wait, and when there is only the commit left to do, the first of them
writes for all. Nobody waits for company: a write that finds nobody before it begins at once. A transaction costs
PostgreSQL and us more than a message in it, so that 8 clients who store single messages for one tenant get a third more
of them done.

Source: D. DeWitt et al., "Implementation Techniques for Main Memory Database Systems", SIGMOD 1984 (group commit);
D. Hendler et al., "Flat Combining and the Synchronization-Parallelism Tradeoff", SPAA 2010 (one thread writes for all).
"""

import threading
from collections.abc import Callable, Hashable, Sequence
from functools import cache, partial
from itertools import islice
from typing import Generic, TypeVar

Row = TypeVar("Row")
Done = TypeVar("Done")


# Writes the rows in one transaction and calls the second argument before it commits; what it did, one for each row.
Write = Callable[[Sequence[Row], Callable[[], None]], Sequence[Done]]


class GroupCommit(Generic[Row, Done]):
    """`alone`: errors that say of a write that nothing of it is stored. A group that fails by one is written again,
    each thread's rows apart, so that nobody is refused for what somebody else has sent. By any other error, after which
    the rows may be stored or not, all of the group fail: written again, they might be stored twice.
    """

    def __init__(self, *, alone: tuple[type[Exception], ...]) -> None:
        self._alone = alone
        self._lock = threading.Lock()
        # Of each key somebody writes for: who waits for the next transaction.
        self._waiting: dict[Hashable, list[_Share[Row, Done]]] = {}

    def write(self, key: Hashable, rows: Sequence[Row], write: Write[Row, Done]) -> Sequence[Done]:
        """What `write` returns for these rows, one for each and in their order. Raises what `write` does.

        `write` gets these rows, and maybe those of other threads with the same key. The caller holds no lock and no
        transaction that a writer may wait for.
        """
        share: _Share[Row, Done] = _Share(rows)
        with self._lock:
            waiting = self._waiting.get(key)
            if waiting is None:
                self._waiting[key] = []
            else:
                waiting.append(share)
        if waiting is not None:
            share.wait()
        if not share.settled:
            self._write_for_all(key, share, write)
        if share.error is None:
            return share.done
        if share.again:
            return write(rows, lambda: None)
        raise share.error

    def _write_for_all(self, key: Hashable, own: "_Share[Row, Done]", write: Write[Row, Done]) -> None:
        """For this thread and those that wait; the first that has come meanwhile writes next.

        It begins before this has committed: a third of a transaction's time is the disk's.
        """
        with self._lock:
            others = self._waiting[key]
            self._waiting[key] = []
        group = [own, *others]
        hand_over = cache(partial(self._let_next_write, key))  # once, by `write` or at the end
        try:
            done = iter(write([row for share in group for row in share.rows], hand_over))
            for share in group:
                share.done = list(islice(done, len(share.rows)))
        except BaseException as error:
            for share in group:
                share.error, share.again = error, bool(others) and isinstance(error, self._alone)
        finally:
            hand_over()
            for share in group:
                share.settled = True
                share.wake()

    def _let_next_write(self, key: Hashable) -> None:
        with self._lock:
            waiting = self._waiting[key]
            if not waiting:
                del self._waiting[key]
                return
            following = waiting.pop(0)
        following.wake()


class _Share(Generic[Row, Done]):
    """What one thread brings, and what became of it when it is `settled`; woken before that, it writes for all."""

    __slots__ = ("_asleep", "again", "done", "error", "rows", "settled")

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.done: Sequence[Done] = ()
        self.error: BaseException | None = None
        self.again = self.settled = False
        self._asleep = threading.Lock()  # a lock costs a tenth of an event
        self._asleep.acquire()

    def wait(self) -> None:
        self._asleep.acquire()

    def wake(self) -> None:
        self._asleep.release()
