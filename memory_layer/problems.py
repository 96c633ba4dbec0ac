"""RFC 9457 problem details: the one shape of every error.

Every answer of the API with a status of 400 and above is `application/problem+json` with `type`, `title`,
`status`, `detail`, `request_id`, and for bad input `errors: [{field, message, code}]`.
"""

import sys
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from memory_layer.logging import frames_of
from tenants import read_only

log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2
UNAVAILABLE = (OperationalError, InterfaceError)
READ_ONLY = "The database takes no writes just now. Nothing was stored; try again."
_HTML = ("/admin", "/docs")
# Python refuses to read an integer of thousands of digits; a body this long is too long anyway.
_LENGTH_DIGITS = 18


def problem(
    *,
    status: int,
    detail: str,
    code: str = "",
    request_id: str = "",
    errors: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """The body of one error. `code` names the kind of problem; without one the status's name does."""
    kind = code or HTTPStatus(status).phrase.lower().replace(" ", "-")
    body: dict[str, Any] = {
        "type": f"urn:ai-memory-layer:problem:{kind.replace('_', '-')}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": request_id,
    }
    return body | ({"errors": errors} if errors else {})


def problem_response(request: HttpRequest, *, status: int, detail: str, **more: Any) -> JsonResponse:
    """The same outside DRF: middleware and Django's own error handlers."""
    request_id = getattr(request, "request_id", "")
    body = problem(status=status, detail=detail, request_id=request_id, **more)
    return JsonResponse(body, status=status, content_type=CONTENT_TYPE)


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's hook: every error that a view raises becomes a problem; what is not known stays a 500."""
    request = context["request"]
    error = _known(error)
    if not isinstance(error, exceptions.APIException):
        return None
    set_rollback()
    validation = isinstance(error, exceptions.ValidationError)
    errors = list(flatten(error.detail)) if validation else None
    codes = error.get_codes()
    body = problem(
        status=error.status_code,
        detail=_summary(errors) if errors else str(error.detail),
        code="invalid-input" if validation else (codes if isinstance(codes, str) else ""),
        request_id=getattr(request, "request_id", ""),
        errors=errors,
    )
    answer = Response(body, status=error.status_code, headers=_headers(error), content_type=CONTENT_TYPE)
    answer.refusal = getattr(error, "refusal", None)  # type: ignore[attr-defined]  # for memory_layer.web.repeats
    return answer


class Unavailable(exceptions.APIException):
    """The database did not answer, or takes no writes: a standby, until it is promoted."""

    status_code = 503
    default_detail = "The database cannot be reached just now. Nothing was stored; try again."
    default_code = "database-unavailable"
    wait = RETRY_AFTER_SECONDS


def _known(error: Exception) -> Exception:
    if isinstance(error, Http404):
        return exceptions.NotFound(str(error) or "There is nothing here.")
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(error, UNAVAILABLE):
        log.error("database_unavailable", error=type(error).__name__)
        return Unavailable()
    if read_only.is_cause(error):
        log.error("database_read_only")
        return Unavailable(READ_ONLY)
    return error


def _headers(error: exceptions.APIException) -> dict[str, str]:
    challenge, wait = getattr(error, "auth_header", None), getattr(error, "wait", None)
    return ({"WWW-Authenticate": challenge} if challenge else {}) | (
        {"Retry-After": str(int(wait))} if wait else {}
    )


def flatten(detail: Any, field: str = "") -> Iterator[dict[str, str]]:
    """DRF's nested error detail -> flat rows; a batch's row is named as in `messages[3].content`."""
    if isinstance(detail, dict):
        for key, inner in detail.items():
            yield from flatten(inner, _join(field, key))
    elif isinstance(detail, list):
        for inner in detail:
            yield from flatten(inner, field)
    else:
        yield {
            "field": _printable(field),
            "message": _printable(str(detail)),
            "code": getattr(detail, "code", "invalid"),
        }


def _printable(text: str) -> str:
    """A lone surrogate in a field's name cannot be sent: shown as its escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def _join(field: str, key: Any) -> str:
    if isinstance(key, int):
        return f"{field}[{key}]"
    if key == "non_field_errors":
        return field
    return f"{field}.{key}" if field else str(key)


def _summary(errors: list[dict[str, str]]) -> str:
    first = errors[0]
    lead = f"{first['field']}: {first['message']}" if first["field"] else first["message"]
    return lead if len(errors) == 1 else f"{lead} ({len(errors)} errors in all)"


class BodyLimitMiddleware:
    """Refuses a body past the limit by its declared length, before a byte of it is read.

    A request without a length has no body for WSGI, so nothing slips by.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH", "")
        if length and not (length.isascii() and length.isdecimal()):
            return problem_response(request, status=400, detail="Content-Length must be a number of bytes.")
        if len(length) > _LENGTH_DIGITS or int(length or 0) > settings.MAX_BODY_BYTES:
            limit = settings.MAX_BODY_BYTES // (1024 * 1024)
            detail = f"The body is larger than {limit} MiB. Send it in smaller batches."
            return problem_response(request, status=413, detail=detail)
        return self.get_response(request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django names it
    """Django's handler400: a bad Host header, a malformed request."""
    return problem_response(
        request, status=400, detail="The request is malformed, or its Host is not served here."
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404: HTML where people look, a problem everywhere else."""
    if request.path.startswith(_HTML):
        return defaults.page_not_found(request, exception)
    return problem_response(request, status=404, detail="There is no such path; /docs lists them all.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500, for what no API view raised: pages and middleware.

    Of an unexpected error it says only the request id; the log line with that id has the rest.
    """
    error = sys.exc_info()[1]
    known = _known(error) if isinstance(error, Exception) else None
    if isinstance(known, Unavailable):
        status, detail, code = known.status_code, str(known.detail), known.default_code
    else:
        _log_unexpected()
        status, detail, code = 500, "An unexpected error. The log has it under this request_id.", ""
    if request.path.startswith(_HTML):
        answer: HttpResponse = defaults.server_error(request)
        answer.status_code = status
    else:
        answer = problem_response(request, status=status, detail=detail, code=code)
    if isinstance(known, Unavailable):
        answer["Retry-After"] = str(known.wait)
    return answer


def _log_unexpected() -> None:
    """The error's kind and its way through the code, without its message: a database's quotes the whole row."""
    kind, error, _ = sys.exc_info()
    log.error("unexpected_error", error=kind.__name__ if kind else "", trace=frames_of(error))
