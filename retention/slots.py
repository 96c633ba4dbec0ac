"""When a schedule fires: pure, and the time comes in as an argument.

A crontab fires by the clock on the wall of its time zone:
- A time that the clock leaps over in spring fires when it has leapt: once, and not lost.
- A time that comes twice in autumn fires the first time. A crontab of all hours means "every so often": it fires both
  times.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

# Eight years hold a 29th of February even about the year 2100; what does not fire in them counts as never.
_DAYS_AHEAD = 8 * 366
_HOURS = 24


@dataclass(frozen=True, kw_only=True)
class Every:
    """An interval; it must be longer than nothing."""

    period: timedelta


@dataclass(frozen=True, kw_only=True)
class Crontab:
    """The minutes that fit all five sets. As in Celery, not as in Unix, days of month and of week must both fit.

    `weekdays`: 0 is Sunday.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    timezone: tzinfo


Schedule = Every | Crontab


def next_slot(schedule: Schedule, *, after: datetime, anchor: datetime) -> datetime | None:
    """The first moment after `after` at which it fires, in UTC; None: never. Intervals count from `anchor`."""
    if isinstance(schedule, Every):
        return _next_interval(schedule.period, after, anchor)
    for day in _days(schedule, after.astimezone(schedule.timezone).date()):
        if coming := [moment for moment in _moments(schedule, day) if moment > after]:
            return min(coming)
    return None


def _next_interval(period: timedelta, after: datetime, anchor: datetime) -> datetime | None:
    try:
        return (anchor + ((after - anchor) // period + 1) * period).astimezone(UTC)
    except OverflowError:
        return None


def _days(schedule: Crontab, first: date) -> Iterator[date]:
    for ahead in range(_DAYS_AHEAD):
        day = first + timedelta(days=ahead)
        fits = day.day in schedule.days and day.month in schedule.months
        if fits and day.isoweekday() % 7 in schedule.weekdays:
            yield day


def _moments(schedule: Crontab, day: date) -> Iterator[datetime]:
    for hour in schedule.hours:
        for minute in schedule.minutes:
            on_the_wall = datetime.combine(day, time(hour, minute), schedule.timezone)
            yield on_the_wall.astimezone(UTC)
            if len(schedule.hours) == _HOURS:
                yield on_the_wall.replace(fold=1).astimezone(UTC)
