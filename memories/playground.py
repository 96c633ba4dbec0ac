"""The playground's endpoints: a person searches as the API would, changes the weights, and asks why.

What is found is ranked by `memories.search` alone, so that what is shown here is what a client gets. No look is noted
as a recall, which would keep messages alive, but every look is in the audit trail.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.exceptions import ValidationError as ModelError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from memories import search, why
from memories.admin_addresses import links
from memories.fields import IdentifierField
from memories.filters import all_of
from memories.models import Message, Role
from memories.search_serializers import TOP_K_MAX, SearchBody, WeightsIn, as_search
from memories.search_views import asked_in, parts_in
from memories.views import NO_MESSAGE, valid
from memories.why_serializers import WhyIn, as_why
from tenants import audit, lifecycle
from tenants.audit_actions import AuditAction
from tenants.console import PersonView, offered, tenant_named
from tenants.models import WEIGHTS, Tenant

SEE = "memories.view_message"
CHANGE = "tenants.change_tenant"


def page(request: HttpRequest) -> HttpResponse:
    """The page, without any answer on it: those come from the endpoints below."""
    if not request.user.has_perm(SEE):
        raise PermissionDenied
    tenants = offered(request.user)
    context = admin.site.each_context(request) | {
        "title": "Playground",
        "is_fullwidth": "1",
        "tenants": tenants,
        "chosen": request.GET.get("tenant") or (tenants[0] if tenants else ""),
        "message_id": request.GET.get("message", ""),
        "may_save": request.user.has_perm(CHANGE),
        "modes": search.MODES,
        "roles": Role.values,
        "top_k": TOP_K_MAX,
    }
    return TemplateResponse(request, "admin/console/playground.html", context)


class WeightsToSave(WeightsIn):
    """The weights that a tenant's searches are to have from now on: all of them."""

    tenant_id = IdentifierField()

    def get_fields(self) -> dict[str, Any]:
        """None is left out."""
        fields = super().get_fields()
        for each in fields.values():
            each.required = True
        return fields

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The tenant's own check says so of stored fields, whose names nobody sees here."""
        if not any(attrs[name] for name in WEIGHTS):
            raise serializers.ValidationError("At least one weight must be above 0.")
        return attrs


class PlaygroundSearch(PersonView):
    """One search of the playground; its body is that of POST /v1/memory/search."""

    permissions = {"POST": SEE}

    def post(self, request: Request) -> Response:
        """The answer as the API gives it with `explain`, and where each message is in the admin."""
        values = valid(SearchBody, request.data)
        tenant = tenant_named(request.user, values.get("tenant_id"))
        found = search.search(
            condition=all_of(parts_in(values)), **asked_in(values | {"explain": True}, tenant=tenant)
        )
        body = as_search(found, explain=True, placed=values["include_archived"])
        _note_look(tenant, body["results"])
        return Response(body | {"results": [_with_links(tenant, hit) for hit in body["results"]]})


class PlaygroundWhy(PersonView):
    """One message in the light of a search."""

    permissions = {"POST": SEE}

    def post(self, request: Request) -> Response:
        """As POST /v1/memory/explain. It tells of a message without quoting it, and is noted all the same."""
        values = valid(WhyIn, request.data)
        tenant = tenant_named(request.user, values.get("tenant_id"))
        asked = asked_in(values | {"explain": True}, tenant=tenant)
        try:
            found = why.explain(message_id=values["message_id"], parts=parts_in(values), **asked)
        except Message.DoesNotExist as error:
            raise NotFound(NO_MESSAGE) from error
        audit.record(AuditAction.CONTENT_VIEW, tenant_id=tenant.id, of="playground", id=values["message_id"])
        return Response(as_why(found, explain=True))


class PlaygroundWeights(PersonView):
    """The weights of a tenant."""

    permissions = {"GET": SEE, "POST": CHANGE}

    def get(self, request: Request) -> Response:
        """Those that its searches have now."""
        return Response(_weights(tenant_named(request.user, request.query_params.get("tenant_id"))))

    def post(self, request: Request) -> Response:
        """Set them, as PATCH /v1/admin/tenants/{name} does: checked, and in the audit trail."""
        values = valid(WeightsToSave, request.data)
        tenant = tenant_named(request.user, values.pop("tenant_id"))
        changes = {f"{name}_weight": values[name] for name in WEIGHTS}
        changes["half_life_days"] = values["half_life_days"]
        try:
            tenant = lifecycle.change_tenant(tenant=tenant, changes=changes)
        except ModelError as error:
            raise ValidationError(error.message_dict) from error
        return Response(_weights(tenant))


def _weights(tenant: Tenant) -> dict[str, float]:
    return dict(vars(search.weights_of(tenant)))


def _note_look(tenant: Tenant, hits: Sequence[Any]) -> None:
    """Before the answer leaves."""
    if rows := len(hits):
        changes = {"rows": rows}
        audit.record(AuditAction.CONTENT_VIEW, tenant_id=tenant.id, of="playground", changes=changes)


def _with_links(tenant: Tenant, hit: dict[str, Any]) -> dict[str, Any]:
    return hit | {
        "links": links(
            tenant,
            message_id=hit["id"],
            conversation_id=hit["conversation_id"],
            archived=hit.get("archived", False),
        )
    }
