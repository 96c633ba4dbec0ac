"""What retention did, and what of it needs somebody: for the dashboard.

Every function takes the viewer (a person of the admin, see `tenants.support`) and shows only what that one may see.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Exists, F, Func, JSONField, OuterRef, Q, QuerySet, Sum, TextField, Value
from django.db.models.functions import Cast, TruncDate
from django.utils import timezone

from retention.models import RetentionPolicy, RetentionRun, RunStatus
from tenants import support

SHOWN = 5
RECENT_RUNS = 6
# A failure older than that has been seen, or nobody cares.
FAILED_DAYS = 7


@dataclass(frozen=True, kw_only=True)
class Day:
    """Rows that the runs of one day (UTC) moved."""

    day: date
    archived: int = 0
    deleted: int = 0
    restored: int = 0


def recent_runs(viewer: Any) -> list[RetentionRun]:
    """The newest first."""
    return list(_runs(viewer).select_related("tenant").order_by("-started_at")[:RECENT_RUNS])


def by_day(viewer: Any, *, days: int) -> list[Day]:
    """The last `days` days, today included, the oldest first."""
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    since = midnight - timedelta(days=days - 1)
    rows = _runs(viewer).filter(started_at__gte=since).annotate(day=TruncDate("started_at"))
    names = ("archived", "deleted", "restored")
    summed = rows.order_by().values_list("day").annotate(*map(Sum, names))
    known: dict[date, dict[str, int]] = {day: dict(zip(names, sums, strict=True)) for day, *sums in summed}
    return [
        Day(day=day, **known.get(day, {})) for day in (since.date() + timedelta(days=n) for n in range(days))
    ]


def stopped_runs(viewer: Any) -> list[RetentionRun]:
    """Runs that failed of late, and those that nobody works on any more."""
    now = timezone.now()
    stopped = Q(status=RunStatus.FAILED, started_at__gte=now - timedelta(days=FAILED_DAYS)) | Q(
        status=RunStatus.RUNNING, lease_until__lt=now
    )
    return list(_runs(viewer).filter(stopped).select_related("tenant").order_by("-started_at")[:SHOWN])


def never_run(viewer: Any) -> list[RetentionPolicy]:
    """Enabled policies that no run has acted by yet; `previewed_at` tells whether anybody knows what they would do."""
    names = [Cast(Value(name), TextField()) for name in ("id", "acts")]
    mine = Func(names[0], OuterRef("pk"), names[1], Value(True), function="jsonb_build_object")
    ran = RetentionRun.objects.filter(
        tenant_id=OuterRef("tenant_id"),
        policies__contains=Func(mine, function="jsonb_build_array", output_field=JSONField()),
    )
    rows = support.visible(RetentionPolicy.objects.filter(enabled=True), viewer, column="tenant_id")
    waiting = rows.filter(~Exists(ran)).select_related("tenant").order_by(F("created_at").desc())
    return list(waiting[:SHOWN])


def _runs(viewer: Any) -> QuerySet[RetentionRun]:
    return support.visible(RetentionRun.objects.all(), viewer, column="tenant_id")
