"""Traces by OpenTelemetry, where MEMORY_TRACING is on: a request, its statements, its provider calls and its tasks.

Needs requirements/tracing.txt. The exporter (OTLP over HTTP), the sampler and the service's name are set by the
standard OTEL_* variables. The spans are our own, not those of instrumentation libraries: these keep URLs with what
people search for, and the messages of exceptions, which quote rows.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse
from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from memory_layer import requests
from tenants import spans

SERVICE = "ai-memory-layer"
# Our longest statement has 5,000 characters; a list of a thousand placeholders says no more than its beginning.
STATEMENT_LENGTH = 6000
_W3C = TraceContextTextMapPropagator()
# Whether statements are recorded just now: not directly beneath a task, whose polling is no work.
_STATEMENTS = context.create_key("statements")


class Recorder:
    """Makes spans with the SDK, for `tenants.spans`."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self.tracer = tracer

    @contextmanager
    def span(
        self, name: str, *, calls_out: bool, links: Sequence[str], attributes: dict[str, spans.Attribute]
    ) -> Iterator[Span]:
        """A span beneath the open one."""
        kind = SpanKind.CLIENT if calls_out else SpanKind.INTERNAL
        with (
            _within(statements=True),
            self._open(name, kind, attributes, links=[_link(each) for each in links]) as span,
        ):
            yield span

    def here(self) -> str:
        """The open span as a traceparent."""
        carrier: dict[str, str] = {}
        _W3C.inject(carrier)
        return carrier.get("traceparent", "")

    def request(self, request: HttpRequest) -> AbstractContextManager[Span]:
        """The span of a request, beneath the caller's if it sent a traceparent."""
        sender = _W3C.extract(request.headers)
        return self._asked(sender, str(request.method), SpanKind.SERVER, {}, statements=True)

    def task(self, *, name: str, task_id: str, sender: str) -> AbstractContextManager[Span]:
        """The span of a task, beneath that of whoever sent it."""
        attributes = {"messaging.system": "redis", "messaging.message.id": task_id}
        asked = _W3C.extract({"traceparent": sender})
        return self._asked(asked, name, SpanKind.CONSUMER, attributes, statements=False)

    def fail(self, kind: str) -> None:
        """Mark the open span, with the kind of what went wrong."""
        span = trace.get_current_span()
        span.set_attribute("error.type", kind)
        span.set_status(Status(StatusCode.ERROR))

    def statement(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context_: Any) -> Any:
        """Django's execute wrapper: a span for each statement, with its text and without its parameters."""
        if not context.get_value(_STATEMENTS) or not trace.get_current_span().is_recording():
            return execute(sql, params, many, context_)
        text = " ".join(str(sql).split())[:STATEMENT_LENGTH]
        name = text.partition(" ")[0].upper()
        with self._open(name, SpanKind.CLIENT, {"db.system.name": "postgresql", "db.query.text": text}):
            return execute(sql, params, many, context_)

    @contextmanager
    def _asked(
        self, sender: Context, name: str, kind: SpanKind, attributes: dict[str, Any], *, statements: bool
    ) -> Iterator[Span]:
        """What another process asked for, with the statements of this one watched."""
        with (
            _within(sender, statements=statements),
            connection.execute_wrapper(self.statement),
            self._open(name, kind, attributes) as span,
        ):
            yield span

    @contextmanager
    def _open(
        self, name: str, kind: SpanKind, attributes: dict[str, Any], links: Sequence[Link] = ()
    ) -> Iterator[Span]:
        """Of an exception only the kind is kept: its message may quote what was said."""
        with self.tracer.start_as_current_span(
            name,
            kind=kind,
            attributes=attributes,
            links=links,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except BaseException as error:
                self.fail(type(error).__name__)
                raise


class TracingMiddleware:
    """One span a request, named by its route. Only in the list while MEMORY_TRACING is on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        recorder = _recorder()
        if recorder is None or requests.is_probe(request.path):
            return self.get_response(request)
        with recorder.request(request) as span:
            response = self.get_response(request)
            route = requests.route_of(request)
            span.update_name(f"{request.method} {route}")
            span.set_attributes(
                {
                    "http.request.method": str(request.method),
                    "http.route": route,
                    "http.response.status_code": response.status_code,
                    "request_id": requests.id_of(request),
                }
            )
            if response.status_code >= 500:
                recorder.fail(str(response.status_code))
        return response


def start(processor: SpanProcessor | None = None) -> None:
    """Keep traces from now on, in this process and those that it forks. Without a processor they are exported."""
    resource = Resource.create({} if "OTEL_SERVICE_NAME" in os.environ else {SERVICE_NAME: SERVICE})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(processor or BatchSpanProcessor(OTLPSpanExporter()))
    spans.record_with(Recorder(provider.get_tracer(SERVICE)))


@contextmanager
def _within(around: Context | None = None, *, statements: bool) -> Iterator[None]:
    """In that context, or the present one; whether the statements directly beneath are recorded."""
    token = context.attach(context.set_value(_STATEMENTS, statements, around))
    try:
        yield
    finally:
        context.detach(token)


def _recorder() -> Recorder | None:
    found = spans.recorder()
    return found if isinstance(found, Recorder) else None


def _link(traceparent: str) -> Link:
    carried = _W3C.extract({"traceparent": traceparent})
    return Link(trace.get_current_span(carried).get_span_context())
