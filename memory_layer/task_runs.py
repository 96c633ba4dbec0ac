"""What is told of a task: who asked for it, a log line, metrics and a span. `celery.py` calls this.

A task's message carries the id of the request that caused it, and its traceparent where traces are kept.
"""

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import structlog
from celery import Task
from prometheus_client import Counter, Histogram

from memory_layer.logging import frames_of
from tenants import actors, spans
from tenants.audit_actions import ActorKind

log = structlog.get_logger("memory_layer.task")

SENT = Counter("memory_tasks_sent", "Tasks sent to the queue, by beat or by whoever needs one", ["task"])
ENDED = Counter("memory_tasks", "Tasks that ended, by how", ["task", "outcome"])
SECONDS = Histogram(
    "memory_task_seconds",
    "Seconds of a task",
    ["task"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120),
)
REQUEST_ID, TRACEPARENT = "request_id", "traceparent"


@dataclass
class _Run:
    opened: ExitStack = field(default_factory=ExitStack)
    began: float = field(default_factory=time.perf_counter)
    error: str = ""
    frames: list[str] = field(default_factory=list)


def sent(name: str, headers: dict[str, Any]) -> None:
    """Before a task's message is sent: `headers` go with it."""
    SENT.labels(name).inc()
    for key, value in ((REQUEST_ID, actors.request_id()), (TRACEPARENT, spans.here())):
        if value:
            headers[key] = value


def begun(task: "Task[..., object]") -> None:
    """What a task changes, the schedule has changed: the audit trail names the task."""
    structlog.contextvars.clear_contextvars()
    said = {"task": task.name, "task_id": task.request.id, REQUEST_ID: task.request.get(REQUEST_ID)}
    structlog.contextvars.bind_contextvars(**{key: value for key, value in said.items() if value})
    actors.acting(ActorKind.SCHEDULE, str(task.name))
    run = task.request.run = _Run()  # type: ignore[attr-defined]
    if recorder := spans.recorder():
        sender = task.request.get(TRACEPARENT) or ""
        run.opened.enter_context(
            recorder.task(name=str(task.name), task_id=str(task.request.id), sender=sender)
        )


def failed(task: "Task[..., object]", error: BaseException) -> None:
    """The error's kind and its way through the code, without its message: a database's quotes the whole row."""
    if run := task.request.get("run"):
        run.error, run.frames = type(error).__name__, frames_of(error)


def ended(task: "Task[..., object]", state: str) -> None:
    """After it, however it went."""
    run = task.request.get("run")
    if run is None:
        return
    seconds = time.perf_counter() - run.began
    well = state == "SUCCESS"
    ENDED.labels(task.name, "ok" if well else "failed").inc()
    SECONDS.labels(task.name).observe(seconds)
    if (recorder := spans.recorder()) and not well:
        recorder.fail(run.error or state)
    run.opened.close()
    why = {"error": run.error, "trace": run.frames} if run.error else {}
    say = log.info if well else log.error
    say("task", outcome=state.lower(), milliseconds=round(seconds * 1000, 1), **why)
    structlog.contextvars.clear_contextvars()
