"""Structured logs: one line an event, stable keys (docs/monitoring.md), never a message's content, a key or a vector.

The request line carries the route's pattern, not the URL: a query string holds what people search for.
"""

import json
import logging
import re
import sys
import time
import traceback
import uuid
from collections.abc import Callable, MutableMapping
from typing import Any, cast

import structlog
from django.http import HttpRequest, HttpResponse

from memory_layer.requests import is_probe, route_of

REQUEST_ID_HEADER = "X-Request-ID"
# Of `request.headers` Django makes a dict of its own for each request, 0.02 ms.
_REQUEST_ID_META = "HTTP_X_REQUEST_ID"
# What a caller may choose as its request id; anything else is replaced, so that it cannot forge log lines.
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")

log = structlog.get_logger("memory_layer.request")

_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def logging_config(*, level: str, output: str) -> dict[str, Any]:
    """The dictConfig of every process. `output`: json, console, or auto (console on a terminal).

    Logs go to stderr: stdout belongs to commands that print data.
    """
    console = output == "console" or (output == "auto" and sys.stderr.isatty())
    renderer = structlog.dev.ConsoleRenderer() if console else _as_json
    # No line of ours names them, and each record would look for all four: the last is where it was called from.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # as the documentation of logging has it
    final: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        _kind_and_frames,
        renderer,
    ]
    logging.captureWarnings(True)  # else they are lines of their own kind
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": Formatter,
                "processors": final,
                "foreign_pre_chain": [*_SHARED, structlog.stdlib.PositionalArgumentsFormatter()],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django's own request log names the path with its query string; ours says the same without it.
            "django.request": {"level": "CRITICAL"},
            "django.server": {"level": "CRITICAL"},
            "httpx": {"level": "WARNING"},
            "httpx2": {"level": "WARNING"},
            "httpcore": {"level": "WARNING"},
            "httpcore2": {"level": "WARNING"},
            "openai": {"level": "WARNING"},
            # Celery's lines about a task quote its result and its exception; ours (task_runs) says the same without.
            "celery.app.trace": {"level": "CRITICAL"},
            "celery.worker.strategy": {"level": "WARNING"},
        },
    }


class Formatter(structlog.stdlib.ProcessorFormatter):
    """Structlog's, and for our own lines without the copies that it makes for other formatters: 0.02 ms a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line. What structlog's adds first its first processor would remove."""
        if "_logger" not in vars(record):
            return super().format(record)
        event: Any = dict(cast(Any, record.msg))
        for process in self.processors[1:]:
            event = process(None, record.levelname, event)
        return str(event)


def frames_of(error: BaseException | None) -> list[str]:
    """An exception's way through the code, as file:line function, without its message or any value."""
    trace = error.__traceback__ if error else None
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]


def _kind_and_frames(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """In place of a traceback, whoever logged it: the message of a database's exception quotes the whole row."""
    info = event.pop("exc_info", None)
    if not info:
        return event
    error = (
        info if isinstance(info, BaseException) else (info if isinstance(info, tuple) else sys.exc_info())[1]
    )
    if error is not None:
        event["error"], event["trace"] = type(error).__name__, frames_of(error)
    return event


_ENCODER = json.JSONEncoder(default=repr)  # json.dumps with a default makes one a line


def _as_json(_logger: Any, _method: str, event: Any) -> str:
    """The last of the processors."""
    return _ENCODER.encode(event)


class RequestLogMiddleware:
    """Gives every request an id (the caller's, if it sent a usable one), an answer header and a log line."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = usable_request_id(request.META.get(_REQUEST_ID_META, ""))
        request.request_id = request_id  # type: ignore[attr-defined]
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        response = self.get_response(request)
        response[REQUEST_ID_HEADER] = request_id
        log.log(
            _level(request.path, response.status_code),
            "request",
            method=request.method,
            route=route_of(request),
            status=response.status_code,
            milliseconds=round((time.perf_counter() - started) * 1000, 1),
        )
        return response


def usable_request_id(offered: str) -> str:
    """The caller's own, if it is one; else a new one."""
    return offered if _REQUEST_ID.fullmatch(offered) else uuid.uuid4().hex


def _level(path: str, status: int) -> int:
    if status >= 500:
        return logging.ERROR
    return logging.DEBUG if is_probe(path) else logging.INFO
