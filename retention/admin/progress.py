"""How far a run is, for its page; and its undoing from there."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from retention import restoring, runs
from retention.admin import enforcing
from retention.models import RetentionRun, RunStatus
from tenants import support
from tenants.console import PersonView

COUNTS = ("archived", "deleted", "purged", "restored", "skipped")
NO_RUN = "There is no such run."


class RunProgress(PersonView):
    """The counts of a run, which every chunk brings up to date."""

    permissions = {"GET": "retention.view_retentionrun"}

    def get(self, request: Request, run_id: UUID) -> Response:
        """`done` of `total` rows; no total: it is still being planned."""
        row = _visible(request.user, run_id)
        if row is None:
            raise NotFound(NO_RUN)
        done = sum(getattr(row, name) for name in COUNTS)
        return Response(
            {
                "finished": row.status != RunStatus.RUNNING,
                "done": done,
                "total": row.planned,
                "sentence": _sentence(row, done),
                "counts": {name: getattr(row, name) for name in COUNTS},
            }
        )


@require_POST
def undo(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Bring back what a run took, by another run."""
    if not enforcing.may_enforce(request.user):
        raise PermissionDenied
    undone = _visible(request.user, run_id)
    if undone is None:
        raise Http404(NO_RUN)
    try:
        row = enforcing.undo(undone, request.user)
    except (runs.Busy, restoring.CannotRestore) as error:
        messages.error(request, str(error))
        return redirect("admin:retention_retentionrun_change", run_id)
    return enforcing.to_progress(row)


def _visible(person: Any, run_id: UUID) -> RetentionRun | None:
    rows = RetentionRun.objects.select_related("tenant").filter(id=run_id)
    return support.visible(rows, person, column="tenant_id").first()


def _sentence(row: RetentionRun, done: int) -> str:
    if row.status == RunStatus.FAILED:
        return f"It was given up after several tries ({row.error or 'the database failed'}). What is done stays done."
    if row.status == RunStatus.RUNNING and row.planned is None:
        return "Looking for the messages that are due."
    if row.status == RunStatus.RUNNING and not done and row.lease_token is None:
        return f"{row.planned:,} rows are planned. A worker takes the run up within a minute."
    counted = [f"{getattr(row, name):,} {name}" for name in COUNTS if getattr(row, name)]
    said = ", ".join(counted) or "Nothing was due"
    return f"{said}." if row.status == RunStatus.DONE else f"{said}, of {row.planned:,} rows."
