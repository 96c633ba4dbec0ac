"""Policies with schedules, beat's task at a given moment, and what it started: for the tests of schedules."""

from datetime import UTC, datetime, timedelta

import time_machine
from django_celery_beat.models import CrontabSchedule, IntervalSchedule

from retention import tasks
from retention.models import RetentionPolicy, RetentionRun

NOON = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
# The installation's: 17 3 * * *
NIGHT = datetime(2026, 6, 11, 3, 17, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def run_due(at: datetime) -> int:
    """Beat's task, with the clock at this moment."""
    with time_machine.travel(at, tick=False):
        return tasks.run_due()


def policy(tenant, name="old", **fields) -> RetentionPolicy:
    return RetentionPolicy.objects.create(tenant=tenant, name=name, **{"older_than_days": 30} | fields)


def every(hours: int) -> IntervalSchedule:
    return IntervalSchedule.objects.create(every=hours, period=IntervalSchedule.HOURS)


def crontab(line: str, timezone: str = "UTC") -> CrontabSchedule:
    minute, hour, day, month, weekday = line.split()
    return CrontabSchedule.objects.create(
        minute=minute,
        hour=hour,
        day_of_month=day,
        month_of_year=month,
        day_of_week=weekday,
        timezone=timezone,
    )


def acting(run: RetentionRun) -> list[str]:
    return [rule["name"] for rule in run.policies if rule["acts"]]


def newest() -> RetentionRun:
    return RetentionRun.objects.order_by("id").last()


def started() -> list[tuple[str, str]]:
    """(tenant, started_by) of all runs, in order."""
    return list(RetentionRun.objects.order_by("id").values_list("tenant__name", "started_by"))
