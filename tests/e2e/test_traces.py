"""A whole installation with MEMORY_TRACING tells a collector what an ingest and a search did, in web and worker."""

import sys
import threading
import urllib.parse

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.stack import running_stack

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")

MARK = "xylophone-7391"


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


def test_ingest_and_search_arrive_at_the_collector(httpserver: HTTPServer) -> None:
    collector = Collector(httpserver)
    settings = {
        "MEMORY_TRACING": "true",
        "MEMORY_WEB_WORKERS": "1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    with running_stack(**settings) as stack:
        stack.post("/v1/messages", tenant_id="acme", conversation_id=MARK, role="user", content=MARK)
        stack.get("/v1/memory/search?" + urllib.parse.urlencode({"tenant_id": "acme", "query": MARK}))
        wanted = {"POST /v1/messages", "GET /v1/memory/search", "memories.tasks.embed_pending"}
        stack.wait(lambda: wanted <= collector.traces().keys(), "trace", seconds=60)
        stack.wait(lambda: "embed messages" in collector.traces(), "batch", seconds=60)
    traces = collector.traces()
    assert traces["POST /v1/messages"] & traces["memories.tasks.embed_pending"] & traces["embed messages"]
    assert traces["GET /v1/memory/search"] == traces["search total"]
    assert b"xylophone" not in b"".join(collector.bodies)
    assert b"ai-memory-layer" in collector.bodies[0]
