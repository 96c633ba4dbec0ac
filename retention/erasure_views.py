"""The API of erasures and of a person's export: parse, call one use case, answer. Nothing else.

What concerns a person as a whole needs the scope `admin`: a bot's key must not be able to wipe or read out somebody
across all conversations. A conversation can be erased by whoever could delete its messages one by one: `write`.
"""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from django.db.models import Q
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from memories import conversation_views
from memories.conversation_views import ConversationIn
from memories.legal_holds import Held
from memories.views import HELD, TENANT_PARAMETER, Conflict, caller_of, valid
from retention import erasure, export
from retention.erasure_serializers import EraseTenantIn, ReceiptOut, ReceiptPage, ReceiptsIn, UserIn
from retention.models import ErasureReceipt
from tenants import authority, cursors
from tenants import views as tenant_views
from tenants.auth import own_tenant, require_operator, tenant_of
from tenants.models import Scope, Tenant
from tenants.requests import reading_cursor

JSON_LINES = "application/x-ndjson"
EXPORT = "/export"
ERASED = {200: ReceiptOut, **HELD}


class NotVerified(APIException):
    """The erasure could not make sure that nothing is left."""

    status_code = 503
    default_code = "not-verified"
    wait = 10

    def __init__(self, receipt: ErasureReceipt) -> None:
        super().__init__(
            f"What was found is gone (receipt {receipt.id}), and nothing of it is taken back. But Redis did not "
            "answer, or somebody else was writing for too long, so something may be left. Erase again."
        )


class JsonLinesRenderer(JSONRenderer):
    """Lets clients ask for what an export is; it is streamed, and only errors are rendered."""

    media_type = JSON_LINES
    format = "ndjson"


class UserView(APIView):
    """A person."""

    scopes = {"DELETE": Scope.ADMIN}

    @extend_schema(operation_id="v1_users_erase", parameters=[TENANT_PARAMETER], responses=ERASED)
    def delete(self, request: Request, user_id: str) -> Response:
        """Erase a user: all messages said up to now, archived ones too, for good. Safe to repeat.

        Refused (409) while a legal hold is on any of it. What the user says afterwards is stored.
        """
        return _erase_user(request, user_id)


class UserExportView(APIView):
    """What there is of a person."""

    scopes = {"GET": Scope.ADMIN, "DELETE": Scope.ADMIN}
    renderer_classes = [JSONRenderer, JsonLinesRenderer]

    @extend_schema(
        operation_id="v1_users_export",
        parameters=[TENANT_PARAMETER],
        responses={(200, JSON_LINES): OpenApiTypes.STR},
    )
    def get(self, request: Request, user_id: str) -> StreamingHttpResponse:
        """Everything of a user as JSON lines, in the order in which it was said, the archive included.

        The last line is `{"exported": n, "complete": true}`; without it the export was cut off.
        """
        tenant = _tenant(request, UserIn, user_id=user_id)
        # The first page is read before the answer begins: a database that is down is a 503.
        rest = export.lines(tenant=tenant, user_id=user_id)
        lines = chain([next(rest)], rest)
        return StreamingHttpResponse(_encoded(lines), content_type=JSON_LINES)

    @extend_schema(exclude=True)
    def delete(self, request: Request, user_id: str) -> Response:
        """The user whose id ends so: a path's %2F and / are the same to WSGI."""
        return _erase_user(request, user_id + EXPORT)


class ConversationView(conversation_views.ConversationView):
    """One conversation."""

    @extend_schema(operation_id="v1_conversations_erase", parameters=[TENANT_PARAMETER], responses=ERASED)
    def delete(self, request: Request, conversation_id: str) -> Response:
        """Erase a conversation: all messages said in it up to now, archived ones too, for good. Safe to repeat.

        Refused (409) while a legal hold is on any of it. What is said in it afterwards is stored.
        """
        tenant = _tenant(request, ConversationIn, conversation_id=conversation_id)
        by = caller_of(request).key_prefix
        return _erased(
            lambda: erasure.erase_conversation(
                tenant=tenant, conversation_id=conversation_id, requested_by=by
            )
        )


class TenantView(tenant_views.TenantView):
    """One tenant."""

    scopes = {**tenant_views.TenantView.scopes, "DELETE": Scope.ADMIN}

    @extend_schema(operation_id="v1_admin_tenants_erase", parameters=[EraseTenantIn], responses=ERASED)
    def delete(self, request: Request, name: str) -> Response:
        """Erase a tenant with all that it has; only receipts stay. For operators. Safe to repeat.

        `confirm` must be its name. Suspended at once, then some minutes for a million messages: a client that gives up
        waiting asks again, or an operator calls `manage.py erase_tenant`.
        """
        caller = caller_of(request)
        require_operator(caller)
        if valid(EraseTenantIn, request.query_params.dict())["confirm"] != name:
            raise ValidationError({"confirm": ["Must be the name of the tenant that is to be erased."]})
        tenant = authority.tenant_under(caller, name)
        return _erased(lambda: erasure.erase_tenant(tenant=tenant, requested_by=caller.key_prefix))


class ReceiptsView(APIView):
    """What was erased."""

    scopes = {"GET": Scope.ADMIN}

    @extend_schema(operation_id="v1_admin_receipts_list", parameters=[ReceiptsIn], responses=ReceiptPage)
    def get(self, request: Request) -> Response:
        """Receipts of erasures, the newest first. An operator also sees those of tenants that are gone."""
        values = valid(ReceiptsIn, request.query_params.dict())
        rows = ErasureReceipt.objects.order_by("-finished_at", "-id")
        caller, name = caller_of(request), values.get("tenant_id")
        tenant = own_tenant(caller) if name is None else tenant_of(caller, name)
        if tenant is not None:
            rows = rows.filter(tenant_id=tenant.id)
        if "cursor" in values:
            with reading_cursor():
                moment, receipt_id = cursors.decode(values["cursor"])
            rows = rows.filter(Q(finished_at__lt=moment) | Q(finished_at=moment, id__lt=receipt_id))
        found = list(rows[: values["limit"] + 1])
        page = found[: values["limit"]]
        names = dict(Tenant.objects.filter(id__in={row.tenant_id for row in page}).values_list("id", "name"))
        following = cursors.encode(page[-1].finished_at, page[-1].id) if len(found) > len(page) else None
        listed = [{**ReceiptOut(row).data, "tenant_id": names.get(row.tenant_id)} for row in page]
        return Response({"receipts": listed, "next": following})


def _erase_user(request: Request, user_id: str) -> Response:
    tenant = _tenant(request, UserIn, user_id=user_id)
    by = caller_of(request).key_prefix
    return _erased(lambda: erasure.erase_user(tenant=tenant, user_id=user_id, requested_by=by))


def _erased(erase: Callable[[], ErasureReceipt]) -> Response:
    try:
        receipt = erase()
    except Held as error:
        raise Conflict(str(error)) from error
    if not receipt.verified:
        raise NotVerified(receipt)
    return Response(ReceiptOut(receipt).data)


def _tenant(request: Request, shape: Any, **path: str) -> Tenant:
    """The tenant of the query string; the ids of the path are checked as those of a body are."""
    values = valid(shape, {**request.query_params.dict(), **path})
    return tenant_of(caller_of(request), values.get("tenant_id"))


def _encoded(lines: Iterator[str]) -> Iterator[bytes]:
    return (line.encode() for line in lines)
