"""Clients that store and search while something breaks: each message is sent until it is acknowledged, and counted.

Half of the messages are safe to repeat by their `external_id`, half by an Idempotency-Key alone: of these the database
itself would store a second one.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tests.benchmarks.chats import messages
from tests.faults.callers import KINDS, Caller
from tests.stack import Stack

CLIENTS = 8
# Before a client asks again.
PAUSE_SECONDS = 0.1


@dataclass
class Traffic:
    """`count` messages, each followed by a search for it, from eight clients; `with` starts them and waits for them."""

    stack: Stack
    tenant: str
    count: int
    seed: int = 1
    acknowledged: dict[str, str] = field(default_factory=dict)  # id -> text
    searches: int = 0  # that were answered
    missed: list[str] = field(
        default_factory=list
    )  # acknowledged, and not in the answer to the search after it
    errors: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> "Traffic":
        self._rows = messages(self.count, seed=self.seed)
        self._faults: list[BaseException] = []
        self._given_up = threading.Event()
        self._threads = [threading.Thread(target=self._guarded, daemon=True) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error:
            self._given_up.set()  # or they would send for ever what nobody acknowledges
        for thread in self._threads:
            thread.join()
        if self._faults and not error:
            raise self._faults[0]

    def until(self, acknowledged: int) -> None:
        """Wait until so many are, or all clients have ended."""
        while len(self.acknowledged) < acknowledged and self.runs():
            time.sleep(0.01)

    def runs(self) -> bool:
        """Whether a client is still at it."""
        return any(thread.is_alive() for thread in self._threads)

    def _guarded(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self._faults.append(error)

    def _work(self) -> None:
        caller = Caller(self.stack)
        while (row := self._next()) is not None:
            message_id = self._stored(caller, row)
            with self._lock:
                self.acknowledged[message_id] = row["content"]
            self._look_for(caller, message_id, row["external_id"])
        caller.hang_up()

    def _next(self) -> dict[str, str] | None:
        """A message with a word that no other has."""
        with self._lock:
            row = next(self._rows, None)
        if row is None:
            return None
        word = f"w{row['external_id'].replace('-', 'x')}"
        return row | {"content": f"{row['content']} {word}", "external_id": word}

    def _stored(self, caller: Caller, row: dict[str, str]) -> str:
        """Its id, however often it had to be sent."""
        body, headers = {**row, "tenant_id": self.tenant}, {}
        if row["external_id"][-1] in "13579":
            headers["Idempotency-Key"] = body.pop("external_id")
        while True:
            status, answer = self._counted(lambda: caller.call("POST", "/v1/messages", body, headers))
            if status == 201:
                return str(answer["id"])
            assert status in (0, 409, 429) or status >= 500, f"{status}: {answer}"
            if self._given_up.wait(PAUSE_SECONDS):
                raise ConnectionAbortedError

    def _look_for(self, caller: Caller, message_id: str, word: str) -> None:
        """Once: a search that fails is an error, one that answers without the message has missed it."""
        asked = urlencode({"tenant_id": self.tenant, "query": word, "top_k": 3})
        status, answer = self._counted(lambda: caller.call("GET", f"/v1/memory/search?{asked}"))
        if status == 200:
            with self._lock:
                self.searches += 1
            if message_id not in [hit["id"] for hit in answer["results"]]:
                self.missed.append(word)

    def _counted(self, call: Callable[[], tuple[int, Any]]) -> tuple[int, Any]:
        """The answer; 0 for none."""
        try:
            status, answer = call()
            kind = "" if status < 400 else str(status)
        except tuple(KINDS) as error:
            status, answer = 0, None
            kind = next(name for type_, name in KINDS.items() if isinstance(error, type_))
        if kind:
            with self._lock:
                self.errors[kind] += 1
        return status, answer
