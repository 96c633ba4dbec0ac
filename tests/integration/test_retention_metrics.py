"""What retention tells Prometheus: runs by trigger and status, rows by action, and how late the schedule is."""

import re
from datetime import timedelta

import time_machine
from django.utils import timezone

from retention import enforce, restoring, runs
from retention.models import RetentionRun
from tests.factories import remember
from tests.schedules import HOUR, NIGHT, NOON, newest, policy, run_due


def counted(operator, name: str) -> dict[str, float]:
    """Labels -> value."""
    text = operator.get("/metrics").content.decode()
    return {
        labels: float(value)
        for labels, value in re.findall(rf"^{name}(?:{{(.+)}})? (\S+)$", text, re.MULTILINE)
    }


def added(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    return {
        labels: value - before.get(labels, 0)
        for labels, value in after.items()
        if value != before.get(labels)
    }


def test_it_works(operator, acme):
    names = ("memory_retention_runs_total", "memory_retention_rows_total")
    before = [counted(operator, name) for name in names]
    remember(acme, "one", "two", created_at=timezone.now() - timedelta(days=100), importance=0.1)
    run = enforce.run(tenant=acme, trigger="api", started_by="x")
    restoring.restore_run(tenant=acme, run_id=run.id, trigger="admin", started_by="x")
    policy(acme, action="delete")
    enforce.run(tenant=acme, trigger="api", started_by="x")
    ran, moved = (
        added(*pair) for pair in zip(before, [counted(operator, name) for name in names], strict=True)
    )
    assert ran == {'status="done",trigger="api"': 2, 'status="done",trigger="admin"': 1}
    assert moved == {'action="archive"': 2, 'action="restore"': 2, 'action="delete"': 2}


def test_a_run_that_was_given_up_is_counted(operator, acme):
    before = counted(operator, "memory_retention_runs_total")
    enforce.begin(tenant=acme, trigger="command", started_by="x")
    RetentionRun.objects.update(attempts=runs.ATTEMPTS, lease_until=None)
    enforce.resume_interrupted()
    after = counted(operator, "memory_retention_runs_total")
    assert newest().status == "failed"
    assert added(before, after) == {'status="failed",trigger="command"': 1}


def test_how_late_the_schedule_is(acme, globex, operator):
    def overdue(at) -> float:
        with time_machine.travel(at, tick=False):
            return counted(operator, "memory_retention_overdue_seconds")[""]

    assert overdue(NOON) == 0
    run_due(NOON)
    assert overdue(NOON) == 0
    assert overdue(NIGHT + 2 * HOUR) == 7200
    run_due(NIGHT + 2 * HOUR)
    assert overdue(NIGHT + 2 * HOUR) == 0
