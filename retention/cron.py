"""Schedules as text: what a policy's beat schedule and the settings say, and what `slots` makes of it.

every 90 minutes
17 3 * * * Europe/Berlin
"""

from datetime import timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from celery.schedules import ParseException, crontab
from django.core.exceptions import ValidationError
from django_celery_beat import validators

from retention.slots import Crontab, Every, Schedule

OFF = "off"
_EVERY = "every"
_FIELDS = {
    "minute": validators.minute_validator,
    "hour": validators.hour_validator,
    "day of month": validators.day_of_month_validator,
    "month": validators.month_of_year_validator,
    "day of week": validators.day_of_week_validator,
}


class NoSuchZone(ValueError):
    """A time zone that the system's database does not have."""


@lru_cache(maxsize=1024)
def parse(text: str) -> Schedule:
    """The schedule that the text says; ValueError with a sentence about what is wrong with it."""
    words = text.split()
    if words[:1] == [_EVERY]:
        return _interval(" ".join(words[1:]))
    if len(words) != len(_FIELDS) + 1:
        raise ValueError("must have five fields: minute, hour, day of month, month, day of week")
    return read_crontab(" ".join(words[:-1]), words[-1])


def text_of(crontab: Any) -> str:
    """Beat's row as text. It allows blanks inside of its fields, which would make more than five here."""
    names = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
    return " ".join([*(getattr(crontab, name).replace(" ", "") for name in names), str(crontab.timezone)])


def read_crontab(line: str, timezone: str) -> Crontab:
    """Five fields as in `17 3 * * *`, in a time zone; ValueError with a sentence about what is wrong with them."""
    given = line.split()
    if len(given) != len(_FIELDS):
        raise ValueError("must have five fields: minute, hour, day of month, month, day of week")
    for (name, validate), value in zip(_FIELDS.items(), given, strict=True):
        try:
            validate(value)
        except ValidationError as error:
            raise ValueError(f"the {name} cannot be {value}") from error
    return _crontab(given, _zone(timezone))


def _crontab(given: list[str], zone: ZoneInfo) -> Crontab:
    minute, hour, day, month, weekday = given
    try:
        read: Any = crontab(minute, hour, weekday, day, month)
    except (ValueError, ParseException) as error:
        raise ValueError(f"it is not understood, or never fires: {str(error).rstrip('.')}") from error
    return Crontab(
        minutes=frozenset(read.minute),
        hours=frozenset(read.hour),
        days=frozenset(read.day_of_month),
        months=frozenset(read.month_of_year),
        weekdays=frozenset(read.day_of_week),
        timezone=zone,
    )


def _interval(text: str) -> Every:
    every, _, unit = text.partition(" ")
    try:
        period = timedelta(**{unit: int(every)})
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{text} is no interval") from error
    if period <= timedelta():
        raise ValueError("an interval must be longer than nothing")
    return Every(period=period)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise NoSuchZone("there is no such time zone") from error
