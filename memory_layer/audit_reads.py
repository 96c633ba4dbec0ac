"""Reads of content through the API in the audit trail, for installations that must know who read what.

Only with MEMORY_AUDIT_READS is this middleware there at all, so that without it no request pays anything.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from tenants import audit, isolation
from tenants.audit_actions import AuditAction

# The names of the routes whose answers hold what somebody said. Exports have an event of their own anyway.
READS = {
    "messages": {"GET"},
    "message": {"GET"},
    "search": {"GET", "POST"},
    "explain": {"POST"},
    "context": {"POST"},
    "retention-preview": {"POST"},
}


class AuditReadsMiddleware:
    """An event before the answer leaves: what could not be noted is not shown."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        match = request.resolver_match
        # Names in a namespace are the admin's, which notes its own looks.
        name = "" if match is None or match.namespaces else match.url_name or ""
        if match and response.status_code == 200 and request.method in READS.get(name, ()):
            audit.record(
                AuditAction.CONTENT_READ,
                tenant_id=int(isolation.current().tenant),  # what could be read was this tenant's
                of=name,
                id=match.kwargs.get("message_id", ""),
            )
        return response
