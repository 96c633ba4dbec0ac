"""What the dashboard's parts share: read once, and only as far as the person may see the rows behind it."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from memories import activity, overview
from memories.models import VectorRecall
from memory_layer import health
from retention import overview as retention_overview
from retention.models import RetentionRun
from tenants import support

# Of the chart of costs: a month.
DAYS = 31


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """As one person may see them. `whole`: those of the installation too, which are of no tenant.

    `costs`: of the last DAYS days the day, US dollars and tokens. `jobs`, `stored`: None for who may not see them.
    """

    user: Any
    whole: bool
    parts: list[health.Part] = field(default_factory=list)
    hours: list[activity.Hour] = field(default_factory=list)
    costs: list[tuple[date, float, int]] = field(default_factory=list)
    recalls: list[VectorRecall] = field(default_factory=list)
    runs: list[RetentionRun] = field(default_factory=list)
    jobs: overview.Jobs | None = None
    stored: overview.Storage | None = None


def gather(user: Any) -> Numbers:
    """About 20 statements, each over small tables or bounded."""
    whole = not support.is_bound(user) and user.has_perm("memories.view_message")
    parts = health.look() if whole else []
    return Numbers(
        user=user,
        whole=whole,
        parts=parts,
        hours=activity.last_week() if whole else [],
        costs=overview.costs_by_day(user, days=DAYS) if whole else [],
        recalls=overview.recalls_measured(user) if whole else [],
        runs=retention_overview.recent_runs(user) if user.has_perm("retention.view_retentionrun") else [],
        jobs=_jobs(user, parts) if user.has_perm("memories.view_embeddingjob") else None,
        stored=overview.storage(user) if user.has_perm("memories.view_message") else None,
    )


def _jobs(user: Any, parts: list[health.Part]) -> overview.Jobs:
    """Health has looked through the job table already, if it could."""
    for part in parts:
        if "backlog" in part:
            return overview.Jobs(
                open=part["backlog"], oldest_seconds=part["oldest_age_seconds"], buried=part["buried"]
            )
    return overview.jobs(user)
