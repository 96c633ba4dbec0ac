"""The API of retention runs: parse, call one use case, answer. Nothing else."""

from typing import Any, cast
from uuid import UUID

from django.db.models import Q
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from memories.models import Message
from memories.serializers import TenantIn
from memories.views import NO_MESSAGE, TENANT_PARAMETER, Conflict, caller_of, valid
from retention import enforce, preview, restoring, runs
from retention import run_serializers as shapes
from retention.models import RetentionRun, RunStatus
from tenants import cursors
from tenants.auth import own_tenant, tenant_of
from tenants.models import Scope, Tenant
from tenants.requests import reading_cursor

NO_RUN = "There is no such run."
# A request does not wait longer; what is left of a run is done in the background.
SECONDS = 20.0
SUMS = ("archived", "deleted", "purged", "kept")


class RunView(APIView):
    """Enforce the policies now."""

    scopes = {"POST": Scope.ADMIN}

    @extend_schema(
        operation_id="v1_admin_retention_run",
        request=shapes.RunIn,
        responses={200: shapes.EnforcedOut, 202: shapes.EnforcedOut},
    )
    def post(self, request: Request) -> Response:
        """Archive, delete and purge what the policies say. 202: it takes longer and goes on in the background."""
        values = valid(shapes.RunIn, request.data)
        policy_ids = values.get("policy_ids")
        tenants = _tenants(request, values.get("tenant_id"))
        if values["dry_run"]:
            return Response(_dry([preview.preview(tenant=each, policy_ids=policy_ids) for each in tenants]))
        who = caller_of(request).key_prefix
        done, busy = enforce.run_all(
            tenants=tenants, trigger="api", started_by=who, policy_ids=policy_ids, seconds=SECONDS
        )
        if busy and len(tenants) == 1:
            raise Conflict(runs.BUSY)
        body = _enforced(done, busy)
        return Response(body, status=202 if body["status"] == RunStatus.RUNNING else 200)


class PreviewView(APIView):
    """See what a run would do."""

    scopes = {"POST": Scope.ADMIN}

    @extend_schema(
        operation_id="v1_admin_retention_preview", request=shapes.PreviewIn, responses=shapes.PreviewOut
    )
    def post(self, request: Request) -> Response:
        """What a run would do now or at another time, with reasons and examples; changes nothing."""
        values = valid(shapes.PreviewIn, request.data)
        tenant = tenant_of(caller_of(request), values.get("tenant_id"))
        said = preview.preview(tenant=tenant, now=values.get("at"), policy_ids=values.get("policy_ids"))
        return Response(shapes.PreviewOut(said).data)


class WhyView(APIView):
    """One message in the light of the policies."""

    scopes = {"POST": Scope.ADMIN}

    @extend_schema(
        operation_id="v1_admin_retention_explain", request=shapes.VerdictIn, responses=shapes.VerdictOut
    )
    def post(self, request: Request) -> Response:
        """What retention would do with a message, archived or not, by which policy, and why."""
        values = valid(shapes.VerdictIn, request.data)
        tenant = tenant_of(caller_of(request), values.get("tenant_id"))
        try:
            decision = preview.why(tenant=tenant, message_id=values["message_id"], now=values.get("at"))
        except Message.DoesNotExist as error:
            raise NotFound(NO_MESSAGE) from error
        return Response(shapes.VerdictOut(decision).data)


class RunsView(APIView):
    """What was done."""

    scopes = {"GET": Scope.ADMIN}

    @extend_schema(
        operation_id="v1_admin_retention_runs_list", parameters=[shapes.RunsIn], responses=shapes.RunsOut
    )
    def get(self, request: Request) -> Response:
        """Runs and restores of a tenant, the newest first."""
        values = valid(shapes.RunsIn, request.query_params.dict())
        tenant = tenant_of(caller_of(request), values.get("tenant_id"))
        found = RetentionRun.objects.filter(tenant=tenant).select_related("tenant")
        if "cursor" in values:
            with reading_cursor():
                at, run_id = cursors.decode(values["cursor"])
            found = found.filter(Q(started_at__lt=at) | Q(started_at=at, id__lt=run_id))
        rows = list(found.order_by("-started_at", "-id")[: values["limit"] + 1])
        page = rows[: values["limit"]]
        following = cursors.encode(page[-1].started_at, page[-1].id) if len(rows) > len(page) else None
        return Response(shapes.RunsOut({"runs": page, "next": following}).data)


@extend_schema(parameters=[TENANT_PARAMETER])
class OneRunView(APIView):
    """One run."""

    scopes = {"GET": Scope.ADMIN}

    @extend_schema(operation_id="v1_admin_retention_runs_read", responses=shapes.RunOut)
    def get(self, request: Request, run_id: UUID) -> Response:
        """How far a run has come, and what it did for which reasons."""
        row = RetentionRun.objects.filter(tenant=_tenant(request), id=run_id).select_related("tenant").first()
        if row is None:
            raise NotFound(NO_RUN)
        return Response(shapes.RunOut(row).data)


@extend_schema(parameters=[TENANT_PARAMETER])
class RestoreRunView(APIView):
    """Undo a run."""

    scopes = {"POST": Scope.ADMIN}

    @extend_schema(
        operation_id="v1_admin_retention_runs_restore",
        request=None,
        responses={200: shapes.RunOut, 202: shapes.RunOut},
    )
    def post(self, request: Request, run_id: UUID) -> Response:
        """Bring back everything that a run archived or deleted and that is not purged yet."""
        tenant, who = _tenant(request), caller_of(request).key_prefix
        try:
            row = restoring.restore_run(
                tenant=tenant, run_id=run_id, trigger="api", started_by=who, seconds=SECONDS
            )
        except RetentionRun.DoesNotExist as error:
            raise NotFound(NO_RUN) from error
        except (runs.Busy, restoring.CannotRestore) as error:
            raise Conflict(str(error)) from error
        return _restored(row)


class RestoreView(APIView):
    """Bring messages back."""

    scopes = {"POST": Scope.ADMIN}

    @extend_schema(
        operation_id="v1_admin_retention_restore",
        request=shapes.RestoreIn,
        responses={200: shapes.RunOut, 202: shapes.RunOut},
    )
    def post(self, request: Request) -> Response:
        """Bring a conversation's or single archived messages back to the memory. Unknown ids are passed over."""
        values = valid(shapes.RestoreIn, request.data)
        tenant = tenant_of(caller_of(request), values.get("tenant_id"))
        try:
            row = restoring.restore_messages(
                tenant=tenant,
                trigger="api",
                started_by=caller_of(request).key_prefix,
                conversation_id=values.get("conversation_id"),
                message_ids=values.get("message_ids"),
                seconds=SECONDS,
            )
        except runs.Busy as error:
            raise Conflict(str(error)) from error
        return _restored(row)


def _tenants(request: Request, name: str | None) -> list[Tenant]:
    caller = caller_of(request)
    tenant = own_tenant(caller) if name is None else tenant_of(caller, name)
    return list(Tenant.objects.filter(suspended_at=None)) if tenant is None else [tenant]


def _tenant(request: Request) -> Tenant:
    values = valid(TenantIn, request.query_params.dict())
    return tenant_of(caller_of(request), values.get("tenant_id"))


def _dry(previews: list[preview.Preview]) -> dict[str, Any]:
    sums = {name: sum(getattr(each, name) for each in previews) for name in SUMS}
    body = {**sums, "dry_run": True, "run_id": None, "status": RunStatus.DONE, "runs": [], "busy": []}
    return cast(dict[str, Any], shapes.EnforcedOut(body).data)


def _enforced(done: list[RetentionRun], busy: list[Tenant]) -> dict[str, Any]:
    running = any(row.status == RunStatus.RUNNING for row in done)
    body = {
        **{name: sum(getattr(row, name) for row in done) for name in SUMS},
        "dry_run": False,
        "run_id": done[0].id if len(done) == 1 else None,
        "status": RunStatus.RUNNING if running else RunStatus.DONE,
        "runs": done,
        "busy": [tenant.name for tenant in busy],
    }
    return cast(dict[str, Any], shapes.EnforcedOut(body).data)


def _restored(row: RetentionRun) -> Response:
    return Response(shapes.RunOut(row).data, status=202 if row.status == RunStatus.RUNNING else 200)
