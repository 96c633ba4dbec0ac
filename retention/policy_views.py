"""The API of policies: parse, call one use case, answer. Nothing else."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError as ModelValidationError
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from memories.serializers import TenantIn
from memories.views import TENANT_PARAMETER, Conflict, caller_of, valid
from retention import cron, rules
from retention import policy_serializers as shapes
from retention.models import RetentionPolicy
from tenants.auth import tenant_of
from tenants.models import Scope, Tenant

NO_POLICY = "There is no such policy."


class PoliciesView(APIView):
    """List and make policies. Reading takes the scope read: whoever reads messages may know how long they stay."""

    scopes = {"POST": Scope.ADMIN}

    @extend_schema(
        operation_id="v1_admin_policies_list", parameters=[TENANT_PARAMETER], responses=shapes.PoliciesOut
    )
    def get(self, request: Request) -> Response:
        """A tenant's policies in the order in which they are asked; without any, the installation's default."""
        line = settings.ENV.retention_schedule
        body = {
            "policies": rules.listed(_tenant(request), timezone.now()),
            "installation_schedule": None if line == cron.OFF else line,
        }
        return Response(shapes.PoliciesOut(body).data)

    @extend_schema(
        operation_id="v1_admin_policies_create",
        request=shapes.PolicyIn,
        responses={201: shapes.PolicyOut},
    )
    def post(self, request: Request) -> Response:
        """Make a policy. Its first run is its schedule's next slot; preview it before."""
        values = valid(shapes.PolicyIn, request.data)
        tenant = tenant_of(caller_of(request), values.get("tenant_id"))
        row = _asked(lambda: rules.create(tenant=tenant, values=shapes.as_columns(values)))
        return Response(_shown(tenant, row.id), status=201)


@extend_schema(parameters=[TENANT_PARAMETER])
class PolicyView(APIView):
    """One policy."""

    scopes = {"PATCH": Scope.ADMIN, "DELETE": Scope.ADMIN}

    @extend_schema(responses=shapes.PolicyOut)
    def get(self, request: Request, policy_id: int) -> Response:
        """Read a policy."""
        return Response(_shown(_tenant(request), policy_id))

    @extend_schema(request=shapes.PolicyPatch, responses=shapes.PolicyOut)
    def patch(self, request: Request, policy_id: int) -> Response:
        """Change a policy. A run under way goes on with the policy as it was; another schedule begins anew."""
        tenant = _tenant(request)
        values = shapes.as_columns(valid(shapes.PolicyPatch, request.data))
        if not values:
            raise ValidationError("Nothing to change: give at least one field.")
        _asked(lambda: rules.change(tenant=tenant, policy_id=policy_id, values=values))
        return Response(_shown(tenant, policy_id))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, policy_id: int) -> Response:
        """Delete a policy. With the last one the installation's default comes back; to have none, disable it."""
        if not rules.remove(tenant=_tenant(request), policy_id=policy_id):
            raise NotFound(NO_POLICY)
        return Response(status=204)


def _asked(use_case: Callable[[], RetentionPolicy]) -> RetentionPolicy:
    try:
        return use_case()
    except RetentionPolicy.DoesNotExist as error:
        raise NotFound(NO_POLICY) from error
    except ModelValidationError as error:
        raise ValidationError(error.message_dict) from error
    except rules.NotPossible as error:
        raise Conflict(str(error)) from error


def _tenant(request: Request) -> Tenant:
    values = valid(TenantIn, request.query_params.dict())
    return tenant_of(caller_of(request), values.get("tenant_id"))


def _shown(tenant: Tenant, policy_id: int) -> dict[str, Any]:
    for row in rules.listed(tenant, timezone.now()):
        if row.id == policy_id:
            return dict(shapes.PolicyOut(row).data)
    raise NotFound(NO_POLICY)
