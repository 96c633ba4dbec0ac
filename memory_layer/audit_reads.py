"""Reads of content through the API in the audit trail, for installations that must know who read what.

Only with MEMORY_AUDIT_READS is this middleware there at all, so that without it no request pays anything.
"""

import json
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from tenants import audit
from tenants.audit_actions import AuditAction
from tenants.auth import Caller
from tenants.models import Tenant

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
        body = request.body if request.method == "POST" else b""
        response = self.get_response(request)
        match = request.resolver_match
        # Names in a namespace are the admin's, which notes its own looks.
        name = "" if match is None or match.namespaces else match.url_name or ""
        if match and response.status_code == 200 and request.method in READS.get(name, ()):
            audit.record(
                AuditAction.CONTENT_READ,
                tenant_id=_tenant_id(request, body),
                of=name,
                id=match.kwargs.get("message_id", ""),
            )
        return response


def _tenant_id(request: HttpRequest, body: bytes) -> int:
    """Of the request that was answered, so it has said: with its key, its query string or its body."""
    caller: Caller = request.user  # type: ignore[assignment]
    if caller.tenant is not None:
        return int(caller.tenant.pk)
    name = request.GET.get("tenant_id") or json.loads(body)["tenant_id"]
    return int(Tenant.objects.only("pk").get(name=name).pk)
