"""What a request is, and what logs and traces say of it: its id and its route's pattern.

Never its URL with what people search for.
"""

from django.http import HttpRequest

# What programs ask with a key, and no browser shows as a page.
API = "/v1/"
_PROBES = ("/health/", "/metrics", "/static/")


def is_probe(path: str) -> bool:
    """Asked by machines every few seconds, or files: not worth a line or a trace each."""
    return path.startswith(_PROBES)


def id_of(request: HttpRequest) -> str:
    """The request's id, which its answer and its log lines have too; empty before RequestLogMiddleware."""
    return str(getattr(request, "request_id", ""))


def route_of(request: HttpRequest) -> str:
    """Such as /v1/messages/<uuid:message_id>."""
    match = request.resolver_match
    return f"/{match.route}" if match else "unmatched"
