"""The answer to who is over its limit, said again by the event loop: no thread, no Django, no Redis, no log line each.

The first refusal went the whole way, so that its headers are those of every answer; what differs is put in its place.
"""

import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import structlog
from django.http import HttpResponse

from memory_layer.logging import REQUEST_ID_HEADER, usable_request_id
from memory_layer.requests import API
from tenants import keys, metrics, refusals

log = structlog.get_logger("memory_layer.request")

Headers = list[tuple[str, str]]
_CHANGING = {"ratelimit", "retry-after", REQUEST_ID_HEADER.lower(), "content-length"}


@dataclass(frozen=True)
class Answer:
    """A refusal as it was sent, without what changes; the body around its request id."""

    status: int
    headers: Headers
    before_id: bytes
    after_id: bytes
    route: str


def keep(response: HttpResponse, headers: Headers, route: str) -> None:
    """Remember the answer if it is a refusal that holds."""
    refusal: refusals.Refusal | None = getattr(response, "refusal", None)
    if refusal is None:
        return
    before, _, after = response.content.partition(_quoted(response[REQUEST_ID_HEADER]))
    fixed = [(name, value) for name, value in headers if name.lower() not in _CHANGING]
    refusal.answer = Answer(response.status_code, fixed, before, after, route)
    refusals.hold(refusal)


def refusal_of(scope: Any) -> refusals.Refusal | None:
    """The refusal that holds for this request."""
    if refusals.is_empty() or not scope.path.startswith(API):
        return None
    headers = scope.headers
    offered = keys.offered_in(headers.get("x-api-key"), headers.get("authorization"))
    if offered is None:
        return None
    return refusals.holding(offered.digest, scope.method, scope.path, lambda: _named(scope.query_string))


def again(refusal: refusals.Refusal, scope: Any) -> tuple[int, Headers, bytes]:
    """Status, headers and body; counted."""
    answer: Answer = refusal.answer
    refusal.repeated += 1
    metrics.RATE_REFUSALS.labels(refusal.budget).inc()
    request_id = usable_request_id(scope.headers.get(REQUEST_ID_HEADER.lower()) or "")
    body = answer.before_id + _quoted(request_id) + answer.after_id
    changing = refusal.headers(time.monotonic()) | {
        REQUEST_ID_HEADER: request_id,
        "Content-Length": str(len(body)),
    }
    return answer.status, [*answer.headers, *changing.items()], body


def tell(refusal: refusals.Refusal) -> None:
    """One line for all that were refused like the first, which has its own."""
    answer: Answer = refusal.answer
    log.info(
        "refused_again",
        method=refusal.door.method,
        route=answer.route,
        status=answer.status,
        budget=refusal.budget,
        count=refusal.repeated,
    )


def _quoted(request_id: str) -> bytes:
    return json.dumps(request_id).encode()


def _named(query: str) -> str:
    """The tenant that the query names."""
    try:
        return dict(parse_qsl(query, keep_blank_values=True)).get("tenant_id", "")
    except ValueError:
        return ""
