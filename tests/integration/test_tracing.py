"""Traces: a request, its statements, its provider calls and its tasks are one; nothing that was said is in them."""

import json
import time

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from memories import search, tasks
from memories.models import EmbeddingJob
from tenants import spans
from tests import conftest
from tests.fake_provider import FakeProvider
from tests.tracing import Trace, recording, worker

MARK = "xylophone-7391"
SAID = {"conversation_id": MARK, "user_id": MARK, "role": "user", "content": f"I play the {MARK}"}


@pytest.fixture
def trace(settings) -> Trace:
    """What MEMORY_TRACING=true does, with the spans kept here."""
    before = conftest.HANDLER._middleware_chain
    settings.MIDDLEWARE = ["memory_layer.tracing.TracingMiddleware", *settings.MIDDLEWARE]
    conftest.HANDLER.load_middleware()
    with recording() as trace:
        yield trace
    conftest.HANDLER._middleware_chain = before


@pytest.fixture
def remote(settings, httpserver) -> FakeProvider:
    provider = FakeProvider(httpserver)
    settings.ENV = settings.ENV.model_copy(update=provider.settings())
    return provider


def embedded(seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while EmbeddingJob.objects.filter(buried_at=None).exists():
        assert time.monotonic() < until, "not embedded"
        time.sleep(0.05)


def test_an_ingest_is_one_trace_through_web_worker_database_and_provider(
    transactional_db, bot, trace, remote, monkeypatch
):
    with worker(monkeypatch):
        assert bot.post("/v1/messages", SAID).status_code == 201
        embedded()
    request = trace.one("POST /v1/messages")
    assert request.kind is SpanKind.SERVER
    task = trace.one("memories.tasks.embed_pending")
    assert task.kind is SpanKind.CONSUMER
    assert trace.way_up(task) == ["store messages", "POST /v1/messages"]
    call = trace.one("POST embeddings")
    assert call.kind is SpanKind.CLIENT
    above = ["embed messages", "memories.tasks.embed_pending", "store messages", "POST /v1/messages"]
    assert trace.way_up(call) == above
    ways = [
        trace.way_up(span) for span in trace.spans() if span.attributes.get("db.system.name") == "postgresql"
    ]
    assert ["store messages", "POST /v1/messages"] in ways
    assert above in ways
    assert ["memories.tasks.embed_pending", *above[2:]] not in ways, "polling is no work"
    assert {span.context.trace_id for span in trace.spans()} == {request.context.trace_id}


def test_a_search_is_one_trace(bot, trace, remote):
    assert bot.get("/v1/memory/search", query="tea").status_code == 200
    above = ["search total", "GET /v1/memory/search"]
    for stage in search.STAGES[1:]:
        assert trace.way_up(trace.one(f"search {stage}")) == above
    assert trace.way_up(trace.one("POST embeddings")) == ["search embedding", *above]
    statements = [span for span in trace.spans() if "db.query.text" in span.attributes]
    assert ["search candidates", *above] in [trace.way_up(span) for span in statements]
    assert len({span.context.trace_id for span in trace.spans()}) == 1


def test_a_caller_s_trace_goes_on(bot, trace):
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    bot.client.get(
        "/v1/memory/search", {"query": "tea"}, headers={"traceparent": parent, "X-API-Key": bot.key}
    )
    assert f"{trace.one('GET /v1/memory/search').context.trace_id:032x}" == parent.split("-")[1]


def test_who_finds_a_worker_awake_is_linked_to_the_batch(transactional_db, bot, trace):
    tasks.caching.hold_hint()
    bot.post("/v1/messages", SAID)
    bot.post("/v1/messages", SAID)
    tasks.drain()
    [batch] = trace.named("embed messages")
    requests = {span.context.trace_id for span in trace.named("POST /v1/messages")}
    assert {link.context.trace_id for link in batch.links} == requests
    assert len(requests) == 2
    assert tasks.caching.waiting_traces() == []


@pytest.mark.parametrize("status", [400, 401, 500])
def test_nothing_that_was_said_is_in_a_span(transactional_db, bot, trace, remote, status):
    bot.post("/v1/messages", SAID | {"external_id": MARK, "metadata": {MARK: MARK}})
    remote.orders = [status]
    tasks.drain()
    remote.always = status
    for query in ({}, {"conversation_id": MARK}, {"metadata": json.dumps({MARK: MARK})}, {"since": MARK}):
        bot.get("/v1/memory/search", query=MARK, **query)
    bot.post("/v1/memory/search", {"query": MARK, "filter": {"field": "user_id", "eq": MARK}})
    bot.post("/v1/messages", SAID | {"external_id": MARK, "content": "another"})
    bot.get(f"/v1/conversations/{MARK}")
    bot.delete(f"/v1/conversations/{MARK}")
    text = trace.text()
    assert "WITH" in text
    assert "xylophone" not in text
    assert bot.key not in text
    assert "sk-openai" not in text


def test_a_500_is_marked_with_the_kind_of_its_error_alone(bot, trace, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(MARK)

    monkeypatch.setattr(search.candidates, "gather", fail)
    bot.get("/v1/memory/search", query=MARK)
    assert trace.one("search candidates").attributes["error.type"] == "RuntimeError"
    assert trace.one("GET /v1/memory/search").status.status_code is StatusCode.ERROR
    assert "xylophone" not in trace.text()


def test_a_request_s_span_has_the_id_of_its_log_lines(bot, trace):
    answer = bot.get("/v1/messages")
    assert trace.one("GET /v1/messages").attributes["request_id"] == answer["X-Request-ID"]


def test_probes_leave_no_trace(stranger, trace):
    assert stranger.get("/health/ready").status_code == 200
    assert trace.spans() == []


def test_off_there_is_nothing(bot, settings):
    assert "memory_layer.tracing.TracingMiddleware" not in settings.MIDDLEWARE
    assert spans.recorder() is None
    assert spans.here() == ""
    assert spans.span("one") is spans.span("two")
