"""The API of embedding jobs, for operators: see what waits or was given up, and try it again."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from memories import replay
from memories.fields import ChoiceField, IdentifierField
from memories.models import EmbeddingJob
from memories.querysets import EmbeddingJobQuerySet
from memories.serializers import StrictSerializer
from memories.views import caller_of, valid
from tenants import cursors
from tenants.auth import tenant_of
from tenants.models import Scope, Tenant
from tenants.requests import reading_cursor

BURIED, OPEN = STATES = ("buried", "open")
REPLAYED_AT_ONCE = 1000


class JobsIn(StrictSerializer):
    """A page of jobs."""

    state = ChoiceField(choices=STATES, required=False, help_text="Left out: both.")
    tenant_id = IdentifierField(required=False, help_text="Left out: all tenants.")
    limit = serializers.IntegerField(min_value=1, max_value=100, default=50)
    cursor = serializers.CharField(required=False)


class JobOut(serializers.Serializer[Any]):
    """A job without the text it is about."""

    id = serializers.IntegerField()
    tenant_id = serializers.CharField(source="tenant.name")
    message_id = serializers.UUIDField()
    attempts = serializers.IntegerField()
    next_attempt_at = serializers.DateTimeField()
    buried_at = serializers.DateTimeField(allow_null=True, help_text="Null: still open.")
    last_error = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()


class JobPage(serializers.Serializer[Any]):
    """A page of jobs; `next` is the cursor of the following one, null at the end."""

    jobs = JobOut(many=True)
    next = serializers.CharField(allow_null=True)


class ReplayIn(StrictSerializer):
    """Which buried jobs; an empty object means all of them."""

    tenant_id = IdentifierField(required=False, help_text="Left out: of all tenants.")
    job_ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=cursors.ID_MAX),
        required=False,
        allow_empty=False,
        max_length=REPLAYED_AT_ONCE,
        help_text="Left out: all that are buried.",
    )


class ReplayOut(serializers.Serializer[Any]):
    """How many jobs are due again."""

    replayed = serializers.IntegerField()


class JobsView(APIView):
    """Jobs of all tenants."""

    scopes = {"GET": Scope.ADMIN}
    operators_only = True

    @extend_schema(operation_id="v1_admin_jobs_list", parameters=[JobsIn], responses=JobPage)
    def get(self, request: Request) -> Response:
        """Embedding jobs that are not done, by tenant and there the oldest first."""
        values = valid(JobsIn, request.query_params.dict())
        jobs = _in_state(values.get("state"))
        if tenant := _tenant(request, values.get("tenant_id")):
            jobs = jobs.for_tenant(tenant.id)
        if "cursor" in values:
            with reading_cursor():
                tenant_id, job_id = cursors.unpack_numbers(values["cursor"], 2)
            jobs = jobs.after(tenant_id, job_id)
        rows = list(jobs.in_place_order().select_related("tenant")[: values["limit"] + 1])
        page = rows[: values["limit"]]
        following = cursors.pack(page[-1].tenant_id, page[-1].id) if len(rows) > len(page) else None
        return Response(JobPage({"jobs": page, "next": following}).data)


class ReplayView(APIView):
    """Buried jobs once more."""

    scopes = {"POST": Scope.ADMIN}
    operators_only = True

    @extend_schema(operation_id="v1_admin_jobs_replay", request=ReplayIn, responses=ReplayOut)
    def post(self, request: Request) -> Response:
        """Make buried jobs due again: all, a tenant's, or those named. Open and unknown ones are passed over."""
        values = valid(ReplayIn, request.data)
        tenant = _tenant(request, values.get("tenant_id"))
        replayed = replay.replay(tenant=tenant, job_ids=values.get("job_ids"))
        return Response(ReplayOut({"replayed": replayed}).data)


def _tenant(request: Request, name: str | None) -> Tenant | None:
    return None if name is None else tenant_of(caller_of(request), name)


def _in_state(state: str | None) -> EmbeddingJobQuerySet:
    jobs = EmbeddingJob.objects.all()
    return {BURIED: jobs.buried, OPEN: jobs.open}.get(state or "", jobs.all)()
