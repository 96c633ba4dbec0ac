"""The API of the audit trail: search it. Nobody writes to it."""

from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tenants import authority, cursors
from tenants.audit_event import AuditEvent
from tenants.audit_serializers import AuditIn, AuditPage
from tenants.auth import Caller, own_tenant
from tenants.models import Scope, Tenant
from tenants.requests import caller_of, reading_cursor, valid

# What is asked -> the condition on an event.
FILTERS = {
    "action": "action",
    "actor": "actor",
    "object": "object_id",
    "since": "at__gte",
    "until": "at__lt",
}


class AuditView(APIView):
    """Who did what."""

    scopes = {"GET": Scope.ADMIN}

    @extend_schema(operation_id="v1_admin_audit_list", parameters=[AuditIn], responses=AuditPage)
    def get(self, request: Request) -> Response:
        """The audit trail, the newest first; a tenant's own key sees that tenant's events."""
        values = valid(AuditIn, request.query_params.dict())
        found = _under(caller_of(request), values.get("tenant_id"))
        found = found.filter(**{FILTERS[name]: value for name, value in values.items() if name in FILTERS})
        if "cursor" in values:
            with reading_cursor():
                at, event_id = cursors.decode_numbered(values["cursor"])
            found = found.filter(Q(at__lt=at) | Q(at=at, id__lt=event_id))
        rows = list(found[: values["limit"] + 1])
        page = rows[: values["limit"]]
        following = cursors.encode(page[-1].at, page[-1].id) if len(rows) > len(page) else None
        return Response(AuditPage({"events": page, "next": following}).data)


def _under(caller: Caller, name: str | None) -> QuerySet[Any]:
    """The events that the caller may see, of the tenant of this name if one is given."""
    tenant = own_tenant(caller) if name is None else authority.tenant_under(caller, name)
    names = Tenant.objects.filter(pk=OuterRef("tenant_id")).values("name")
    events = AuditEvent.objects.order_by("-at", "-id").annotate(tenant_name=Subquery(names[:1]))
    return events if tenant is None else events.filter(tenant_id=tenant.pk)
