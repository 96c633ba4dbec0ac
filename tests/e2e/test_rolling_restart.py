"""Two web processes replaced one after the other while bots store and search: deploy/upgrade.sh, without containers."""

import http.client
import itertools
import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

import pytest

from tests.boxes import OPERATOR, Box, migrated
from tests.databases import rows_of

BOTS = 3


@dataclass
class Front:
    """What the proxy does: asks everybody every half second, sends requests only to whom is ready.

    As in deploy/caddy/Caddyfile, one that refuses the connection is passed over; anything else that goes wrong is told.
    """

    ports: list[int]
    ready: list[int] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    turns: Iterator[int] = field(default_factory=itertools.count)

    def look(self) -> None:
        while not self.stopping.is_set():
            self.ready = [port for port in self.ports if self._is_ready(port)]
            time.sleep(0.5)

    def send(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """The answer of one of those who are ready."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if ready := self.ready:
                try:
                    return _ask(ready[next(self.turns) % len(ready)], method, path, body)
                except ConnectionRefusedError:
                    pass
            time.sleep(0.05)
        return 503, b"nobody is ready"

    def _is_ready(self, port: int) -> bool:
        try:
            return _ask(port, "GET", "/health/ready")[0] == 200
        except OSError:
            return False


def _ask(port: int, method: str, path: str, body: object = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"X-API-Key": OPERATOR, "Content-Type": "application/json"}
    try:
        connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def bot(front: Front, name: str, failed: list[str], acknowledged: list[str]) -> None:
    """Stores and searches in turn until it is told to stop."""
    for number in itertools.count():
        if front.stopping.is_set():
            return
        message = {
            "tenant_id": "rolling",
            "conversation_id": name,
            "role": "user",
            "content": f"note {number}",
        }
        query = urlencode({"tenant_id": "rolling", "query": f"note {number}"})
        try:
            stored, body = front.send("POST", "/v1/messages", message)
            found, _ = front.send("GET", f"/v1/memory/search?{query}")
        except Exception as error:  # whatever it is, a client would see it
            failed.append(repr(error))
            continue
        if (stored, found) != (201, 200):
            failed.append(f"{stored} {found}")
        else:
            acknowledged.append(json.loads(body)["id"])


class Web:
    """One of the two, in a container's environment of its own."""

    def __init__(self, box: Box, place: str) -> None:
        self.box = Box(box.environ["MEMORY_DATABASE_URL"], box.home / place)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = self.box.start("web")

    def until_well(self) -> None:
        assert self.box.probe("web") == "web: well"

    def replace(self) -> None:
        """As deploy/upgrade.sh does."""
        assert self.process
        assert self.box.run("memory_layer.drain", "--wait", "2") == (0, "")
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0
        self.start()
        self.until_well()


@pytest.fixture
def webs(tmp_path) -> Iterator[list[Web]]:
    with migrated(tmp_path) as box:
        webs = [Web(box, "a"), Web(box, "b")]
        for web in webs:
            web.start()
        for web in webs:
            web.until_well()
        yield webs
        for web in webs:
            web.process.kill()
            web.process.wait()


@pytest.mark.timeout(300)
def test_no_request_fails_while_both_are_replaced(webs):
    front = Front([web.box.port for web in webs])
    failed: list[str] = []
    acknowledged: list[str] = []
    threads = [threading.Thread(target=front.look)] + [
        threading.Thread(target=bot, args=(front, f"bot-{n}", failed, acknowledged)) for n in range(BOTS)
    ]
    for thread in threads:
        thread.start()
    try:
        time.sleep(1)
        for web in webs:
            web.replace()
            time.sleep(1)
    finally:
        front.stopping.set()
        for thread in threads:
            thread.join()
    assert failed == []
    assert len(acknowledged) > 20
    url = webs[0].box.environ["MEMORY_DATABASE_URL"]
    stored = [str(row[0]) for row in rows_of(url, "SELECT id FROM memories_message")]
    assert sorted(stored) == sorted(acknowledged)
