"""Spans kept in memory, and a worker in this process that takes tasks from the real broker."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType

from celery import Task
from celery.contrib.testing.worker import start_worker
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from memories import tasks
from memory_layer import tracing
from memory_layer.celery import app
from tenants import spans


class Trace:
    """What was recorded, by name."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self.exporter = exporter

    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans() if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        [span] = self.named(name)
        return span

    def way_up(self, span: ReadableSpan) -> list[str]:
        """The names of the spans above it, nearest first."""
        by_id = {each.context.span_id: each for each in self.spans()}
        names = []
        while span.parent and span.parent.span_id in by_id:
            span = by_id[span.parent.span_id]
            names.append(span.name)
        return names

    def text(self) -> str:
        """All that leaves the process: names, attributes, events, links, resource."""
        return "\n".join(span.to_json() for span in self.spans())


@contextmanager
def recording() -> Iterator[Trace]:
    exporter = InMemorySpanExporter()
    tracing.start(SimpleSpanProcessor(exporter))
    try:
        yield Trace(exporter)
    finally:
        spans.record_with(None)


@contextmanager
def worker(monkeypatch) -> Iterator[None]:
    """In a thread; hints are sent for real, past the fixture that collects them."""
    hint = tasks.embed_pending
    monkeypatch.setattr(hint, "apply_async", MethodType(Task.apply_async, hint))
    monkeypatch.setitem(
        app.steps, "consumer", set()
    )  # what a worker looks for at its start is no part of these traces
    app.control.purge()
    app.amqp.queues.select_add("embed")
    handlers = logging.getLogger().handlers[:]
    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=20):
        logging.getLogger().handlers[:] = handlers  # the first worker sets Django up, and its logging anew
        yield
