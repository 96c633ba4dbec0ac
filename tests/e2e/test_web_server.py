"""The web server from outside: slow, broken and vanishing clients, restarts under load, killed workers."""

import contextlib
import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import redis

from tests.stack import Stack, running_stack

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")

KEY = "an-operator-key-for-these-tests-only"
HEAD = f"Host: localhost\r\nX-API-Key: {KEY}\r\nContent-Type: application/json\r\n"
LIST = "/v1/messages?tenant_id=web&limit=1"
SLOW_CLIENTS = 40  # five times as many as there are threads


@pytest.fixture(scope="module")
def server() -> Iterator[Stack]:
    """Two web processes of four threads each."""
    with running_stack(MEMORY_API_KEYS=KEY, MEMORY_WEB_WORKERS="2", MEMORY_WEB_THREADS="4") as stack:
        assert call(stack, "POST", "/v1/messages", message("first"))[0] == 201
        yield stack


def message(content: str) -> dict[str, str]:
    return {"tenant_id": "web", "conversation_id": "c", "role": "user", "content": content}


def connect(stack: Stack) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(stack.address()).netloc, timeout=30)


def call(stack: Stack, method: str, path: str, body: object = None) -> tuple[int, dict[str, str], bytes]:
    connection = connect(stack)
    headers = {"X-API-Key": KEY, "Content-Type": "application/json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    said = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return said


def raw(stack: Stack, sent: bytes) -> socket.socket:
    host, port = urlsplit(stack.address()).netloc.split(":")
    client = socket.create_connection((host, int(port)), timeout=20)
    client.sendall(sent)
    return client


def post(stack: Stack, head: str, body: str = "") -> socket.socket:
    return raw(stack, f"POST /v1/messages HTTP/1.1\r\n{HEAD}{head}\r\n\r\n{body}".encode())


def answered(client: socket.socket, *, silent: float = 1) -> bytes:
    """Until the server closes, or has begun to speak and says nothing for so many seconds."""
    client.settimeout(20)
    said = b""
    with contextlib.suppress(TimeoutError, ConnectionResetError):
        while part := client.recv(65536):
            said += part
            client.settimeout(silent)
    client.close()
    return said


def workers(stack: Stack) -> set[int]:
    return stack.children_of(stack.child("web"))


def found(stack: Stack, content: str) -> list[str]:
    texts = json.loads(call(stack, "GET", "/v1/messages?tenant_id=web&limit=100")[2])["messages"]
    return [text["content"] for text in texts if text["content"] == content]


def test_slow_clients_hold_no_thread(server: Stack) -> None:
    bodies = [post(server, "Content-Length: 500", "{") for _ in range(SLOW_CLIENTS)]
    heads = [raw(server, b"GET /v1/messages?tenant_id=web HTTP/1.1\r\nHo") for _ in range(SLOW_CLIENTS)]
    for number in range(3):
        for client in bodies + heads:
            client.sendall(b" " if client in bodies else b"s")
        started = time.monotonic()
        assert call(server, "GET", LIST)[0] == 200
        assert call(server, "POST", "/v1/messages", message(f"beside the slow {number}"))[0] == 201
        assert time.monotonic() - started < 5
        time.sleep(1)
    for client in bodies + heads:
        client.close()


def test_slow_headers_are_given_up(server: Stack) -> None:
    with raw(server, b"GET /v1/mess") as client:
        assert client.recv(100) == b""


def test_what_is_no_request_is_refused_and_harms_nobody(server: Stack) -> None:
    assert b" 400 " in answered(raw(server, b"\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n"))
    assert b" 431 " in answered(raw(server, b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000))
    assert b" 400 " in answered(post(server, "Content-Length: 1\r\nContent-Length: 2", "{"))
    assert call(server, "GET", LIST)[0] == 200


def test_it_does_not_say_what_it_is_made_of(server: Stack) -> None:
    assert call(server, "GET", LIST)[1]["server"] == "ai-memory-layer"


def test_a_header_that_a_proxy_would_have_to_stop_is_not_taken(server: Stack) -> None:
    said = answered(raw(server, f"GET {LIST} HTTP/1.1\r\n{HEAD}X_Request_ID: forged\r\n\r\n".encode()))
    assert b" 200 " in said
    assert b"forged" not in said


def test_too_long_a_body_is_refused_before_it_is_sent(server: Stack) -> None:
    said = answered(post(server, "Content-Length: 99999999"))
    assert b" 413 " in said
    assert b"problem+json" in said


@pytest.mark.parametrize("length", ["", "Content-Length: 5\r\n"], ids=["chunks", "chunks and a length"])
def test_a_body_in_chunks_is_as_long_as_they_are(server: Stack, length: str) -> None:
    body = json.dumps(message(f"in parts{length}"))
    parts = f"{len(body):x}\r\n{body}\r\n0\r\n\r\n"
    assert b" 201 " in answered(post(server, f"{length}Transfer-Encoding: chunked", parts))
    assert found(server, f"in parts{length}")


@pytest.mark.parametrize("missing", [9, 200_000], ids=["short", "long"])
def test_a_body_that_was_cut_off_is_refused_and_stores_nothing(server: Stack, missing: int) -> None:
    body = json.dumps(message("cut off"))
    client = post(server, f"Content-Length: {len(body) + missing}", body)
    client.shutdown(socket.SHUT_WR)
    assert b" 400 " in (said := answered(client))
    assert b"The body ended before it was whole." in said
    assert not found(server, "cut off")


def test_requests_in_a_row_are_answered_in_order(server: Stack) -> None:
    one = "GET {} HTTP/1.1\r\n" + HEAD + "X-Request-ID: {}\r\nConnection: {}\r\n\r\n"
    sent = (
        one.format(LIST, "number-1", "keep-alive")
        + one.format("/health/live", "number-2", "keep-alive")
        + one.format(LIST, "number-3", "close")
    )
    said = answered(raw(server, sent.encode()), silent=20)
    assert said.count(b"HTTP/1.1 200 ") == 3
    assert said.index(b"number-1") < said.index(b"number-2") < said.index(b"number-3")


def test_an_export_comes_whole_and_a_reader_may_leave(server: Stack) -> None:
    batch = [message("x" * 10_000) | {"user_id": "mia"}] * 100
    for _ in range(3):
        rows = [{name: value for name, value in row.items() if name != "tenant_id"} for row in batch]
        assert call(server, "POST", "/v1/messages/batch", {"tenant_id": "web", "messages": rows})[0] == 201
    path = "/v1/users/mia/export?tenant_id=web"
    for _ in range(12):  # more than there are threads
        raw(server, f"GET {path} HTTP/1.1\r\n{HEAD}\r\n".encode()).close()
    status, _, lines = call(server, "GET", path)
    assert status == 200
    assert json.loads(lines.splitlines()[-1]) == {"exported": 300, "complete": True}


def test_the_refused_are_refused_alike_and_all_are_counted(server: Stack) -> None:
    assert call(server, "POST", "/v1/admin/tenants", {"tenant_id": "greedy"})[0] == 201
    assert (
        call(server, "PATCH", "/v1/admin/tenants/greedy", {"reads_per_minute": 1, "burst_seconds": 60})[0]
        == 200
    )
    path = "/v1/messages?tenant_id=greedy"
    time.sleep(6)  # both processes have forgotten how it was
    answers = [call(server, "GET", path) for _ in range(60)]
    assert Counter(status for status, _, _ in answers) == {200: 1, 429: 59}
    refused = [headers for status, headers, _ in answers if status == 429]
    assert len({tuple(sorted(headers)) for headers in refused}) == 1
    assert len({headers["x-request-id"] for headers in refused}) == 59
    text = call(server, "GET", "/metrics")[2].decode()
    assert 'memory_rate_limit_refusals_total{budget="reads"} 59.0' in text
    log = (server.data_dir / "logs" / "web.log").read_text()
    assert log.count('"status": 429') < 20


# Of a client with a new connection, before it speaks: so most of the time one is accepted and not read from.
SILENT_SECONDS = 0.1


class Load:
    """Eight clients that never stop; every other one keeps its connection."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.stop, self.seen = stack, threading.Event(), Counter()
        self.threads = [threading.Thread(target=self.ask, args=(place % 2 == 0,)) for place in range(8)]

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        time.sleep(1)
        return self

    def __exit__(self, *_: object) -> None:
        time.sleep(1)
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def ask(self, keeps: bool) -> None:
        connection, fresh = connect(self.stack), True
        while not self.stop.is_set():
            try:
                if not keeps:
                    connection.connect()
                    time.sleep(SILENT_SECONDS)
                connection.request("GET", LIST, headers={"X-API-Key": KEY})
                answer = connection.getresponse()
                answer.read()
                self.seen[answer.status] += 1
                fresh = not keeps or answer.will_close
            except (ConnectionError, http.client.HTTPException) as error:
                self.seen[f"{type(error).__name__}, {'new' if fresh else 'kept'} connection"] += 1
                fresh = True
            if fresh:
                connection.close()
                connection = connect(self.stack)
        connection.close()


def test_a_rolling_restart_fails_no_request(server: Stack) -> None:
    before = workers(server)
    with Load(server) as load:
        os.kill(server.child("web"), signal.SIGHUP)
        server.wait(
            lambda: not before & workers(server) and len(workers(server)) == 2, "new workers", seconds=60
        )
    answered = load.seen.pop(200)
    assert answered > 100, load.seen
    assert load.seen == {}


def test_a_killed_worker_is_replaced_and_the_other_goes_on(server: Stack) -> None:
    time.sleep(6)  # two deaths within that time would end the server, and its supervisor start it anew
    web, [killed, other] = server.child("web"), sorted(workers(server))
    os.kill(killed, signal.SIGKILL)
    for _ in range(5):
        assert call(server, "GET", LIST)[0] == 200
    server.wait(lambda: other in workers(server) and len(workers(server) - {killed}) == 2, "a new worker")
    assert server.child("web") == web


def test_a_request_under_way_is_answered_before_the_end(server: Stack) -> None:
    body, web = json.dumps(message("under way")), server.child("web")
    client = post(server, f"Content-Length: {len(body)}", body[:9])
    time.sleep(0.3)
    os.kill(web, signal.SIGTERM)
    time.sleep(1)
    client.sendall(body[9:].encode())
    assert b" 201 " in answered(client)
    server.wait(lambda: server.child("web") not in (None, web), "a new web server")
    server.wait(lambda: reached(server), "its first answer")
    assert found(server, "under way")


def reached(stack: Stack) -> bool:
    try:
        return call(stack, "GET", "/health/ready")[0] == 200
    except OSError:
        return False


def test_what_answers_left_for_later_is_done_before_the_end(server: Stack) -> None:
    """Searches are counted for the dashboard five seconds later."""
    with redis.Redis.from_url(server.noted()["urls"]["MEMORY_REDIS_URL"]) as client:

        def counted() -> int:
            return sum(int(client.hget(key, "searches") or 0) for key in client.keys("*activity:*"))

        before, web = counted(), server.child("web")
        assert call(server, "GET", "/v1/memory/search?tenant_id=web&query=first")[0] == 200
        os.kill(web, signal.SIGTERM)
        server.wait(lambda: counted() == before + 1, "the count", seconds=4)
    server.wait(lambda: server.child("web") not in (None, web) and reached(server), "a new web server")


def test_no_worker_outlives_its_killed_master(server: Stack) -> None:
    web, old = server.child("web"), workers(server)
    os.kill(web, signal.SIGKILL)
    server.wait(lambda: not old & server.family(), "end of the workers")
    server.wait(lambda: server.child("web") not in (None, web) and reached(server), "a new web server")
