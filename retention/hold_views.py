"""The API of legal holds. Reading takes the scope admin too: whom a matter is about is nobody else's business."""

from django.core.exceptions import ValidationError as ModelValidationError
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from memories.serializers import TenantIn
from memories.views import TENANT_PARAMETER, Conflict, caller_of, valid
from retention import hold_serializers as shapes
from retention import holds
from retention.models import LegalHold
from tenants import cursors
from tenants.auth import tenant_of
from tenants.models import Scope
from tenants.requests import reading_cursor

NO_HOLD = "There is no such hold."


class HoldsView(APIView):
    """List and place holds."""

    scopes = {"GET": Scope.ADMIN, "POST": Scope.ADMIN}

    @extend_schema(operation_id="v1_admin_holds_list", parameters=[shapes.HoldsIn], responses=shapes.HoldsOut)
    def get(self, request: Request) -> Response:
        """A tenant's legal holds, the newest first."""
        values = valid(shapes.HoldsIn, request.query_params.dict())
        tenant = tenant_of(caller_of(request), values.get("tenant_id"))
        found = LegalHold.objects.filter(tenant=tenant).select_related("tenant")
        if "state" in values:
            found = found.filter(released_at__isnull=values["state"] == shapes.ACTIVE)
        if "cursor" in values:
            with reading_cursor():
                [hold_id] = cursors.unpack_numbers(values["cursor"], 1)
            found = found.filter(id__lt=hold_id)
        rows = list(found.order_by("-id")[: values["limit"] + 1])
        page = rows[: values["limit"]]
        following = cursors.pack(page[-1].id) if len(rows) > len(page) else None
        return Response(shapes.HoldsOut({"holds": page, "next": following}).data)

    @extend_schema(
        operation_id="v1_admin_holds_create", request=shapes.HoldIn, responses={201: shapes.HoldOut}
    )
    def post(self, request: Request) -> Response:
        """Hold a user's, a conversation's or all messages of a tenant, whatever any policy says."""
        values = valid(shapes.HoldIn, request.data)
        caller = caller_of(request)
        try:
            hold = holds.place(
                tenant=tenant_of(caller, values.get("tenant_id")),
                kind=values["kind"],
                subject=values.get("subject") or "",
                reason=values["reason"],
                by=caller.key_prefix,
            )
        except ModelValidationError as error:
            raise ValidationError(error.message_dict) from error
        except holds.AlreadyHeld as error:
            raise Conflict(str(error)) from error
        return Response(shapes.HoldOut(hold).data, status=201)


@extend_schema(parameters=[TENANT_PARAMETER])
class ReleaseView(APIView):
    """End a hold."""

    scopes = {"POST": Scope.ADMIN}

    @extend_schema(operation_id="v1_admin_holds_release", request=None, responses=shapes.HoldOut)
    def post(self, request: Request, hold_id: int) -> Response:
        """Release a hold: the policies apply again. It stays listed; a repeated call changes nothing."""
        values = valid(TenantIn, request.query_params.dict())
        caller = caller_of(request)
        tenant = tenant_of(caller, values.get("tenant_id"))
        try:
            hold = holds.release(tenant=tenant, hold_id=hold_id, by=caller.key_prefix)
        except LegalHold.DoesNotExist as error:
            raise NotFound(NO_HOLD) from error
        return Response(shapes.HoldOut(hold).data)
