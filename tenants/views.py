"""The API of tenants and keys: parse, ask what the caller may do, call one use case, answer. Nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar, cast

from django.core.exceptions import ObjectDoesNotExist
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import as_serializer_error
from rest_framework.views import APIView

from tenants import authority, cursors, lifecycle
from tenants import serializers as shapes
from tenants.auth import require_operator
from tenants.models import ApiKey, Scope, Tenant
from tenants.requests import Conflict, caller_of, reading_cursor, valid

TAKEN = "There is a tenant of this name already."
GONE = "It has just been deleted."
# An answer with a key in it is for whoever asked, not for the caches on the way.
ONCE = {"Cache-Control": "no-store"}

NAME_PARAMETER = OpenApiParameter(
    name="name", type=OpenApiTypes.STR, location=OpenApiParameter.PATH, description="Its tenant_id."
)

_Row = TypeVar("_Row", bound=models.Model)


class TenantsView(APIView):
    """Tenants."""

    scopes = {"GET": Scope.ADMIN, "POST": Scope.ADMIN}

    @extend_schema(
        operation_id="v1_admin_tenants_list", parameters=[shapes.TenantsIn], responses=shapes.TenantsPage
    )
    def get(self, request: Request) -> Response:
        """Tenants in the order of their creation; a tenant's own key sees only that."""
        values = valid(shapes.TenantsIn, request.query_params.dict())
        found = authority.tenants_under(caller_of(request))
        if "suspended" in values:
            found = found.filter(suspended_at__isnull=not values["suspended"])
        if "cursor" in values:
            found = found.filter(id__gt=_decoded(values["cursor"]))
        page, following = _page(found.order_by("id"), values["limit"])
        return Response(shapes.TenantsPage({"tenants": page, "next": following}).data)

    @extend_schema(
        operation_id="v1_admin_tenants_create", request=shapes.TenantIn, responses={201: shapes.TenantOut}
    )
    def post(self, request: Request) -> Response:
        """Create a tenant. For operators."""
        require_operator(caller_of(request))
        values = valid(shapes.TenantIn, request.data)
        with _refusals(), transaction.atomic():
            tenant = lifecycle.create_tenant(**shapes.settings_in(values))
            if values.get("suspended"):
                tenant = lifecycle.set_suspended(tenant=tenant, suspended=True)
        return Response(_shown(tenant), status=201)


@extend_schema(parameters=[NAME_PARAMETER])
class TenantView(APIView):
    """One tenant."""

    scopes = {"GET": Scope.ADMIN, "PATCH": Scope.ADMIN}

    @extend_schema(operation_id="v1_admin_tenants_read", responses=shapes.TenantOut)
    def get(self, request: Request, name: str) -> Response:
        """Read a tenant and its settings."""
        return Response(_shown(authority.tenant_under(caller_of(request), name)))

    @extend_schema(
        operation_id="v1_admin_tenants_change", request=shapes.TenantPatch, responses=shapes.TenantOut
    )
    def patch(self, request: Request, name: str) -> Response:
        """Change settings, suspend or resume. A tenant's own key may change those of its search."""
        caller = caller_of(request)
        tenant = authority.tenant_under(caller, name)
        values = valid(shapes.TenantPatch, request.data)
        authority.refuse_operators_settings(caller, values)
        if not values:
            raise ValidationError("Nothing to change: give a setting, or suspended.")
        with _refusals(), transaction.atomic():
            if changes := shapes.settings_in(values):
                tenant = lifecycle.change_tenant(tenant=tenant, changes=changes)
            if "suspended" in values:
                tenant = lifecycle.set_suspended(tenant=tenant, suspended=values["suspended"])
        return Response(_shown(tenant))


class KeysView(APIView):
    """API keys."""

    scopes = {"GET": Scope.ADMIN, "POST": Scope.ADMIN}

    @extend_schema(operation_id="v1_admin_keys_list", parameters=[shapes.KeysIn], responses=shapes.KeysPage)
    def get(self, request: Request) -> Response:
        """Keys, the newest first; a tenant's own key sees only that tenant's."""
        values, caller = valid(shapes.KeysIn, request.query_params.dict()), caller_of(request)
        found = authority.keys_under(caller, values.get("tenant_id"))
        if "operator" in values:
            found = found.filter(tenant__isnull=values["operator"])
        if "state" in values:
            found = found.in_state(values["state"], timezone.now())
        if "cursor" in values:
            found = found.filter(id__lt=_decoded(values["cursor"]))
        page, following = _page(found.order_by("-id"), values["limit"])
        return Response(shapes.KeysPage({"keys": page, "next": following}).data)

    @extend_schema(
        operation_id="v1_admin_keys_create", request=shapes.KeyIn, responses={201: shapes.IssuedKeyOut}
    )
    def post(self, request: Request) -> Response:
        """Issue a key, with no more scopes than the caller's. The answer is the only one that shows it."""
        values, caller = valid(shapes.KeyIn, request.data), caller_of(request)
        owner = authority.owner_under(caller, values.pop("tenant_id", None), operator=values.pop("operator"))
        authority.refuse_more_scopes(caller, values["scopes"])
        return _issued(*lifecycle.create_key(tenant=owner, **values))


class KeyView(APIView):
    """One key."""

    scopes = {"GET": Scope.ADMIN, "DELETE": Scope.ADMIN}

    @extend_schema(operation_id="v1_admin_keys_read", responses=shapes.KeyOut)
    def get(self, request: Request, prefix: str) -> Response:
        """Read what is known of a key."""
        return Response(shapes.KeyOut(authority.key_under(caller_of(request), prefix)).data)

    @extend_schema(operation_id="v1_admin_keys_revoke", responses={204: None})
    def delete(self, request: Request, prefix: str) -> Response:
        """Revoke a key for good; its row stays. Every process refuses it within seconds."""
        key = authority.key_under(caller_of(request), prefix)
        with _refusals():
            lifecycle.revoke_key(key=key)
        return Response(status=204)


class RotateKeyView(APIView):
    """Replace a key."""

    scopes = {"POST": Scope.ADMIN}

    @extend_schema(
        operation_id="v1_admin_keys_rotate", request=shapes.RotateIn, responses={201: shapes.IssuedKeyOut}
    )
    def post(self, request: Request, prefix: str) -> Response:
        """A new key with the same rights; the old one ends after `overlap_seconds`."""
        caller = caller_of(request)
        key = authority.key_under(caller, prefix)
        values = valid(shapes.RotateIn, request.data)
        authority.refuse_more_scopes(caller, key.scopes)
        overlap = timedelta(seconds=values["overlap_seconds"])
        with _refusals():
            return _issued(*lifecycle.rotate_key(key=key, overlap=overlap))


@contextmanager
def _refusals() -> Iterator[None]:
    """What the use cases refuse, as the API says it."""
    try:
        yield
    except lifecycle.CannotRotate as error:
        raise Conflict(str(error)) from error
    except IntegrityError as error:  # of two who create it at the same time, the second
        raise Conflict(TAKEN) from error
    except ObjectDoesNotExist as error:
        raise NotFound(GONE) from error
    except DjangoValidationError as error:
        if any(each.code == "unique" for each in error.error_dict.get("name", [])):
            raise Conflict(TAKEN) from error
        raise ValidationError(as_serializer_error(error)) from error


def _shown(tenant: Tenant) -> dict[str, Any]:
    return cast(dict[str, Any], shapes.TenantOut(tenant).data)


def _issued(key: ApiKey, plain: str) -> Response:
    return Response(shapes.IssuedKeyOut(key, context={"plain": plain}).data, status=201, headers=ONCE)


def _page(rows: models.QuerySet[_Row], limit: int) -> tuple[list[_Row], str | None]:
    found = list(rows[: limit + 1])
    page = found[:limit]
    return page, cursors.pack(page[-1].pk) if len(found) > limit else None


def _decoded(cursor: str) -> int:
    with reading_cursor():
        [row_id] = cursors.unpack_numbers(cursor, 1)
    return row_id
