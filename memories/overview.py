"""What is stored, waits and costs, in few numbers that are cheap at any size: for the dashboard.

Every function takes the viewer (a person of the admin, see `tenants.support`) and counts only what that one may see.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Min, Model, Q, QuerySet, Sum
from django.utils import timezone

from memories import costs, quotas
from memories.models import ArchivedMessage, Corpus, EmbeddingJob, EmbeddingUsage, VectorRecall
from tenants import support

# Nobody reads a longer list on a dashboard.
SHOWN = 8
# Counted no further: what is beyond is estimated.
COUNTED = 10_000


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What a tenant has stored, and how much of the quota nearest to its end is used; None: it has no quota."""

    tenant_id: int
    tenant: str
    messages: int
    bytes: int
    fullest: float | None

    @property
    def nearly_full(self) -> bool:
        """Whether somebody should know."""
        return self.fullest is not None and self.fullest >= quotas.NEARLY_FULL


@dataclass(frozen=True, kw_only=True)
class Storage:
    """Of all tenants together, and the tenants with the most messages."""

    messages: int
    bytes: int
    largest: list[Stored]


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """Embedding jobs that are not done: open ones, how old the oldest is, and those given up."""

    open: int
    oldest_seconds: float
    buried: int


def storage(viewer: Any) -> Storage:
    """From the statistics of full text, which are seconds behind and never counted anew."""
    rows = _corpora(viewer)
    together = rows.aggregate(messages=Sum("messages"), bytes=Sum("bytes"))
    largest = [_as_stored(row) for row in _by_tenant(rows).order_by("-stored", "tenant__name")[:SHOWN]]
    return Storage(messages=together["messages"] or 0, bytes=together["bytes"] or 0, largest=largest)


def nearly_full(viewer: Any) -> list[Stored]:
    """Tenants that have used up `quotas.NEARLY_FULL` of a quota or more, the fullest first."""
    rows = _by_tenant(_corpora(viewer)).filter(fullest__gte=quotas.NEARLY_FULL)
    return [_as_stored(row) for row in rows.order_by("-fullest", "tenant__name")[:SHOWN]]


def jobs(viewer: Any) -> Jobs:
    """One statement over the job table, which holds only what is not done."""
    rows = support.visible(EmbeddingJob.objects.all(), viewer, column="tenant_id")
    is_open = Q(buried_at=None)
    found = rows.aggregate(
        open=Count("id", filter=is_open),
        oldest=Min("created_at", filter=is_open),
        buried=Count("id", filter=~is_open),
    )
    age = (timezone.now() - found["oldest"]).total_seconds() if found["oldest"] else 0.0
    return Jobs(open=found["open"], oldest_seconds=max(0.0, age), buried=found["buried"])


def archived(viewer: Any) -> tuple[int, bool]:
    """How many messages are in the archive, and whether that is exact: a large archive is PostgreSQL's estimate.

    For those who see only some tenants nothing is estimated: COUNTED is then the most that is said.
    """
    rows = support.visible(ArchivedMessage.objects.filter(deleted_at=None), viewer, column="tenant_id")
    number = rows[: COUNTED + 1].count()
    if number <= COUNTED:
        return number, True
    return (COUNTED if support.is_bound(viewer) else max(COUNTED, _estimated(ArchivedMessage))), False


def disk_bytes() -> int:
    """What the database takes on disk, indexes included."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


def recalls_measured(viewer: Any) -> list[VectorRecall]:
    """What the buckets of large tenants find, the worst first."""
    rows = support.visible(VectorRecall.objects.filter(space__active=True), viewer, column="tenant_id")
    return list(rows.select_related("tenant").order_by("recall")[:SHOWN])


def costs_by_day(viewer: Any, *, days: int) -> list[tuple[date, float, int]]:
    """Of each of the last `days` days (UTC): the day, US dollars and tokens of remote providers."""
    first = timezone.now().date() - timedelta(days=days - 1)
    rows = _usages(viewer).filter(day__gte=first)
    summed = rows.values_list("day").annotate(Sum("cost_micro_usd"), Sum("tokens")).order_by()
    known = {day: (cost / 1_000_000, tokens) for day, cost, tokens in summed}
    every_day = [first + timedelta(days=n) for n in range(days)]
    return [(day, *known.get(day, (0.0, 0))) for day in every_day]


def spent_this_month(viewer: Any) -> costs.Spent:
    """By remote providers."""
    return costs.spent_this_month(_usages(viewer))


def _usages(viewer: Any) -> QuerySet[EmbeddingUsage]:
    return support.visible(EmbeddingUsage.objects.all(), viewer, column="tenant_id")


def _corpora(viewer: Any) -> Any:
    return support.visible(Corpus.objects.all(), viewer, column="tenant_id")


def _by_tenant(rows: Any) -> Any:
    return (
        rows.values("tenant_id", "tenant__name")
        .annotate(stored=Sum("messages"), size=Sum("bytes"))
        .annotate(fullest=quotas.fullest(messages="stored", size="size", tenant="tenant__"))
    )


def _as_stored(row: dict[str, Any]) -> Stored:
    return Stored(
        tenant_id=row["tenant_id"],
        tenant=row["tenant__name"],
        messages=row["stored"],
        bytes=row["size"],
        fullest=row["fullest"],
    )


def _estimated(model: type[Model]) -> int:
    """Rows, as the last VACUUM or ANALYZE left them in the catalogue."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = %s::regclass",
            [model._meta.db_table],
        )
        return int(cursor.fetchone()[0])
