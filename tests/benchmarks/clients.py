"""Clients of a running stack: a thread and a kept-alive connection each."""

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tests.benchmarks.connections import Connection

# The operator's key of the stack; in the environment, so that a client in a process of its own has it too. None: open.
KEY = "BENCHMARK_API_KEY"


class Client:
    """One kept-alive connection, closed at the end of a `with`."""

    def __init__(self, address: str) -> None:
        self.connection = Connection(address, {"X-API-Key": os.environ[KEY]} if KEY in os.environ else {})

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def post(self, path: str, body: Any, *, expected: int | tuple[int, ...] = 201) -> Any:
        """POST as JSON; any other status is an error."""
        return json.loads(self._answer("POST", path, json.dumps(body).encode(), expected))

    def get(self, path: str) -> Any:
        """GET as JSON."""
        return json.loads(self.get_text(path))

    def get_text(self, path: str) -> str:
        """GET, whatever it is."""
        return self._answer("GET", path, b"", 200).decode()

    def status(self, path: str) -> int:
        """GET; only how it went."""
        return self.connection.ask("GET", path)[0]

    def delete(self, path: str) -> Any:
        """DELETE, answered in JSON."""
        return json.loads(self._answer("DELETE", path, b"", 200))

    def search(self, tenant: str, query: str, **params: Any) -> list[dict[str, Any]]:
        """The hits of GET /v1/memory/search, best first."""
        parameters = urlencode({"tenant_id": tenant, "query": query} | params)
        return self.get(f"/v1/memory/search?{parameters}")["results"]

    def _answer(self, method: str, path: str, sent: bytes, expected: int | tuple[int, ...]) -> bytes:
        status, body = self.connection.ask(method, path, sent)
        if status not in (expected if isinstance(expected, tuple) else (expected,)):
            raise RuntimeError(f"{status}: {body[:300].decode(errors='replace')}")
        return body


# A message as our API takes it.
Row = dict[str, Any]
Store = Callable[[Client, str, Sequence[Row]], list[str]]


@dataclass
class Ingested:
    """What was acknowledged, and how fast."""

    seconds: float = 0.0
    ids: list[str] = field(default_factory=list)


def send(client: Client, tenant: str, share: Sequence[Row]) -> list[str]:
    """Store the messages through our API, one alone or several as a batch; their ids, in order."""
    if len(share) == 1:
        return [client.post("/v1/messages", share[0] | {"tenant_id": tenant})["id"]]
    answer = client.post("/v1/messages/batch", {"tenant_id": tenant, "messages": share})
    return [row["id"] for row in answer["messages"]]


def ingest(
    address: str, tenant: str, messages: Sequence[Row], *, batch: int, clients: int, store: Store = send
) -> Ingested:
    """Send the messages from several clients at once, in batches or (batch 1) singly."""
    shares = [messages[start : start + batch] for start in range(0, len(messages), batch)]
    result, lock = Ingested(), threading.Lock()

    def work() -> None:
        with Client(address) as client:
            while share := _next(shares, lock):
                ids = store(client, tenant, share)
                with lock:
                    result.ids += ids

    result.seconds = in_threads([work] * clients)
    return result


def in_threads(jobs: Sequence[Callable[[], None]]) -> float:
    """Run all at once; seconds until the last is done. A failing one fails the run."""
    faults: list[BaseException] = []

    def guarded(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]
    return time.perf_counter() - started


def _next(shares: list[Sequence[Row]], lock: threading.Lock) -> Sequence[Row] | None:
    with lock:
        return shares.pop() if shares else None
