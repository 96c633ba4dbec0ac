"""What somebody should look at first, the worst on top."""

from collections.abc import Iterator, Sequence
from typing import Any

from memories import overview
from memories.models import VectorRecall
from memory_layer import health
from memory_layer.dashboard_numbers import Numbers
from memory_layer.dashboard_parts import Notice, duration, page, row
from retention import overview as retention_overview

ERROR, WARNING = "error", "warning"
# Below that the buckets of a large tenant miss too many of the nearest messages.
LEAST_RECALL = 0.9


def found(numbers: Numbers) -> list[Notice]:
    """As far as this person may see the rows behind it."""
    user = numbers.user
    notices = [*_health(numbers.parts), *_jobs(numbers.jobs)]
    if user.has_perm("retention.view_retentionrun"):
        notices += _runs(user)
    if user.has_perm("tenants.view_tenant"):
        notices += _quotas(user)
    if user.has_perm("retention.view_retentionpolicy"):
        notices += _policies(user)
    notices += [*_recall(numbers.recalls), *_budgets(numbers.parts)]
    return sorted(notices, key=lambda notice: notice.level != ERROR)


def _health(parts: Sequence[health.Part]) -> Iterator[Notice]:
    """What waits in the job table is said apart."""
    for part in parts:
        if part["ok"] or part["part"] == "jobs":
            continue
        reason = part.get("detail") or "It has not been seen for too long."
        what = part["part"].replace("_", " ").capitalize()
        if part["part"] == "provider":
            open_ones = [circuit for circuit in part["breaker"] if circuit["state"] != "closed"]
            reason = " ".join(circuit["reason"] for circuit in open_ones) or reason
            yield Notice(
                ERROR,
                f"The embedding provider fails: {reason}",
                "See what waits",
                page("memories.embeddingjob"),
            )
        else:
            yield Notice(ERROR, f"{what} is not well: {reason}", "See the lights", "#health")


def _jobs(jobs: overview.Jobs | None) -> Iterator[Notice]:
    if jobs is None:
        return
    if jobs.buried:
        what = (
            "1 embedding job was given up: its message is found by words alone."
            if jobs.buried == 1
            else f"{jobs.buried:,} embedding jobs were given up: their messages are found by words alone."
        )
        yield Notice(ERROR, what, "Look at them", page("memories.embeddingjob", state="buried"))
    if jobs.oldest_seconds > health.BACKLOG_LATE_SECONDS:
        what = (
            f"{jobs.open:,} messages wait for their vectors, the oldest for {duration(jobs.oldest_seconds)}."
        )
        yield Notice(WARNING, what, "See what waits", page("memories.embeddingjob", state="open"))


def _runs(user: Any) -> Iterator[Notice]:
    for run in retention_overview.stopped_runs(user):
        how = "failed" if run.status == "failed" else "was interrupted, and goes on with the next look"
        what = f"The {run.kind} run of {run.tenant} from {run.started_at:%Y-%m-%d %H:%M} {how}."
        yield Notice(
            ERROR if run.status == "failed" else WARNING,
            what,
            "See the run",
            row("retention.retentionrun", run.pk),
        )


def _quotas(user: Any) -> Iterator[Notice]:
    for each in overview.nearly_full(user):
        used = each.fullest or 0.0
        full = used >= 1
        what = f"{each.tenant} has used {used:.0%} of its quota" + (
            ": its writes are refused." if full else "."
        )
        yield Notice(
            ERROR if full else WARNING, what, "See its limits", row("tenants.tenant", each.tenant_id)
        )


def _policies(user: Any) -> Iterator[Notice]:
    for policy in retention_overview.never_run(user):
        name = f"The policy {policy.name} of {policy.tenant}"
        path = row("retention.retentionpolicy", policy.pk)
        if policy.previewed_at is None:
            what = f"{name} was never previewed: nobody has seen yet what it would do."
            yield Notice(WARNING, what, "Preview it", path)
        else:
            yield Notice(WARNING, f"{name} was previewed, and has never run.", "See its next run", path)


def _recall(recalls: Sequence[VectorRecall]) -> Iterator[Notice]:
    for each in recalls:
        if each.recall < LEAST_RECALL:
            what = f"The vector search of {each.tenant} finds {each.recall:.0%} of the nearest messages."
            yield Notice(WARNING, what, "See the tenant", row("tenants.tenant", each.tenant_id))


def _budgets(parts: Sequence[health.Part]) -> Iterator[Notice]:
    over = sum(part.get("tenants_over_budget", 0) for part in parts)
    if over:
        names = "a tenant has" if over == 1 else f"{over} tenants have"
        what = (
            f"{names.capitalize()} spent this month's embedding budget: new messages wait for their vectors."
        )
        yield Notice(WARNING, what, "See the tenants", page("tenants.tenant"))
