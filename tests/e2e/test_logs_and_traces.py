"""What a whole installation tells when it says all it can: logs as JSON, with keys of docs/monitoring.md, and traces
that arrive at a collector. Neither has anybody's words."""

import json
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.fake_provider import DIMENSIONS, MODEL, FakeProvider
from tests.log_lines import lines_of, listed_keys
from tests.stack import Stack, running_stack

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")

KEY, PROVIDER_KEY = "an-operator-s-key-7391", "a-provider-s-key-7391"
MARK = "xylophone-7391"
SECRETS = ("xylophone", KEY, PROVIDER_KEY, 'embedding": [')
# Celery's own lines have whatever Celery gives them, which is only an event.
CELERY = {"celery", "kombu", "py", "django_celery_beat", "django", "asyncio"}
SPANS = {"POST /v1/messages", "GET /v1/memory/search", "memories.tasks.embed_pending", "embed messages"}


class Collector:
    """What was exported: span name -> the traces that it was in."""

    def __init__(self, server: HTTPServer) -> None:
        self.bodies: list[bytes] = []
        self.lock = threading.Lock()
        self.url = server.url_for("").rstrip("/")
        server.expect_request("/v1/traces", method="POST").respond_with_handler(self._take)

    def _take(self, request: Request) -> Response:
        with self.lock:
            self.bodies.append(request.get_data())
        return Response(b"", content_type="application/x-protobuf")

    def traces(self) -> dict[str, set[bytes]]:
        found: dict[str, set[bytes]] = {}
        with self.lock:
            bodies = list(self.bodies)
        for body in bodies:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        found.setdefault(span.name, set()).add(span.trace_id)
        return found


@dataclass(frozen=True)
class Told:
    """By web, worker and beat. `logs`: process -> its log."""

    logs: dict[str, str]
    collector: Collector


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    """Of requests that are answered, refused and broken, and of a provider that fails first."""
    with HTTPServer() as server:
        collector, fake = Collector(server), FakeProvider(server)
        fake.orders = [500, "html"]
        fake.refused = "refused"
        with running_stack(**settings(collector, fake)) as stack:
            ask_all(stack)
            stack.wait(lambda: collector.traces().keys() >= SPANS, "traces", seconds=60)
            logs = {name: log_of(stack, name) for name in ("web", "worker", "beat")}
        yield Told(logs, collector)


def settings(collector: Collector, fake: FakeProvider) -> dict[str, str]:
    return {
        "MEMORY_API_KEYS": KEY,
        "MEMORY_EMBEDDING_PROVIDER": "openai_compatible",
        "MEMORY_EMBEDDING_BASE_URL": f"{fake.url}/v1",
        "MEMORY_EMBEDDING_MODEL": MODEL,
        "MEMORY_EMBEDDING_DIMENSIONS": str(DIMENSIONS),
        "MEMORY_EMBEDDING_API_KEY": PROVIDER_KEY,
        "MEMORY_LOG_LEVEL": "DEBUG",
        "CELERY_QUIET": "true",
        "MEMORY_WEB_WORKERS": "1",
        "MEMORY_TRACING": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }


def ask_all(stack: Stack) -> None:
    query = urllib.parse.urlencode({"tenant_id": "acme", "query": MARK})
    said = {"tenant_id": "acme", "conversation_id": MARK, "role": "user", "content": MARK}
    assert ask(stack, "POST", "/v1/messages", said) == 201
    assert ask(stack, "POST", "/v1/messages", said | {"content": f"{MARK} is refused"}) == 201
    stack.wait(lambda: embedded(stack), "embedding", seconds=60)
    assert ask(stack, "GET", f"/v1/memory/search?{query}") == 200
    assert ask(stack, "GET", f"/v1/memory/search?{query}&{MARK}={MARK}") == 400
    assert ask(stack, "GET", f"/v1/memory/search?{query}", key=f"mlk_{MARK}") == 401
    change(stack, "ALTER TABLE memories_message RENAME COLUMN content TO gone")
    assert ask(stack, "POST", "/v1/messages", said) == 500
    change(stack, "ALTER TABLE memories_message RENAME COLUMN gone TO content")
    stack.wait(lambda: caused(stack) >= {"task", "embedding_failed"}, "the request's task", seconds=90)


def ask(stack: Stack, method: str, path: str, body: Any = None, key: str = KEY) -> int:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "X-API-Key": key, "X-Request-ID": "asked-by-the-test"}
    request = urllib.request.Request(stack.address() + path, data=data, headers=headers, method=method)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def change(stack: Stack, statement: str) -> None:
    with psycopg.connect(stack.noted()["urls"]["MEMORY_DATABASE_URL"]) as connection:
        connection.execute(statement)


def embedded(stack: Stack) -> bool:
    return stack.sql("SELECT count(*) FROM memories_embeddingjob WHERE buried_at IS NULL") == [(0,)]


def caused(stack: Stack) -> set[str]:
    """The events in the worker's log that the test's requests caused."""
    lines = [line for line in log_of(stack, "worker").splitlines() if '"asked-by-the-test"' in line]
    return {json.loads(line)["event"] for line in lines}


def log_of(stack: Stack, name: str) -> str:
    return (stack.data_dir / "logs" / f"{name}.log").read_text(encoding="utf-8")


def test_logs_are_json_with_known_keys_and_without_anybodys_words(told: Told) -> None:
    for text in told.logs.values():
        for secret in SECRETS:
            assert secret not in text
    lines = {name: lines_of(text) for name, text in told.logs.items()}
    asked = [line for line in lines["web"] if line["event"] == "request" and line["level"] != "debug"]
    assert [line["status"] for line in asked] == [201, 201, 200, 400, 401, 500]
    assert {line["key"] for line in asked if line["status"] != 401} == {"operator"}
    keys = {
        key
        for name in lines
        for line in lines[name]
        for key in line
        if line["logger"].partition(".")[0] not in CELERY
    }
    assert keys <= listed_keys()


def test_traces_of_ingest_and_search_arrive_without_anybodys_words(told: Told) -> None:
    traces = told.collector.traces()
    assert traces["POST /v1/messages"] & traces["memories.tasks.embed_pending"] & traces["embed messages"]
    assert len(traces["GET /v1/memory/search"]) == 3
    assert len(traces["search total"]) == 1, "two were refused"
    assert traces["search total"] < traces["GET /v1/memory/search"]
    exported = b"".join(told.collector.bodies)
    for secret in SECRETS:
        assert secret.encode() not in exported
    assert b"ai-memory-layer" in told.collector.bodies[0]
