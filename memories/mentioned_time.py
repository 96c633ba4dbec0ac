"""The time that a query mentions: "in May 2023", "on 3 June", "2024-02-10", "yesterday", "two weeks ago". Pure.

English words and ISO dates. A month without a year is that month of any year. What is not understood is no time: the
signal then says nothing.
"""

import calendar
import math
import re
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

# The bonus falls to 1/e this many days away: people tell things some days after they happened.
FADING_DAYS = 10.0

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
_MONTH = "|".join(_MONTHS)
_YEAR = re.compile(r"\b(19\d\d|20\d\d)\b")
_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_DAY_MONTH = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? ({_MONTH})\b")
_MONTH_DAY = re.compile(rf"\b({_MONTH}) (\d{{1,2}})(?:st|nd|rd|th)?\b(?!:)")
# "may" and "march" are verbs as well: they need a word of time before them, or a year after them.
_MONTH_ALONE = re.compile(
    rf"\b(?:(?:in|since|of|during|last|this|early|late|mid|until|by|before|after)[ -]({_MONTH})"
    rf"|({_MONTH}),? (?=\d{{4}})"
    r"|(january|february|april|june|july|august|september|october|november|december))\b"
)
_NUMBERS = {
    word: n
    for n, word in enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())  # noqa: SIM905
} | {"a": 1, "an": 1}
_AGO = re.compile(rf"\b(\d{{1,3}}|{'|'.join(_NUMBERS)}) (day|week|month|year)s? ago\b")
_RELATIVE = re.compile(r"\b(today|yesterday|(?:last|this) (?:week|month|year))\b")
_DAYS = {"day": 1, "week": 7, "month": 30.44, "year": 365.25}


class Span(NamedTuple):
    """First and last day. No year: every year's."""

    first: date
    last: date
    any_year: bool = False


def mentioned_span(text: str, now: datetime) -> Span | None:
    """The first time that the text mentions, `now` being the moment of the question; None if there is none."""
    lowered = text.lower()
    try:
        return _calendar(lowered) or _relative(lowered, now.astimezone(UTC).date())
    except (ValueError, OverflowError):  # 31 June, or 999 years ago
        return None


def closeness(span: Span, epoch_seconds: float) -> float:
    """1 inside the span, e^(-days / 10) outside it. Days are those of UTC."""
    day = (_EPOCH + timedelta(seconds=epoch_seconds)).date()
    spans = _of_years(span, day.year) if span.any_year else [span]
    return math.exp(-min(_distance(each, day) for each in spans) / FADING_DAYS)


def _calendar(text: str) -> Span | None:
    if iso := _ISO.search(text):
        day = date(int(iso[1]), int(iso[2]), int(iso[3]))
        return Span(day, day)
    found = _YEAR.search(text)
    year = int(found[1]) if found else None
    if match := _DAY_MONTH.search(text):
        return _span(year, _MONTHS[match[2]], int(match[1]))
    if match := _MONTH_DAY.search(text):
        return _span(year, _MONTHS[match[1]], int(match[2]))
    if match := _MONTH_ALONE.search(text):
        return _span(year, _MONTHS[next(name for name in match.groups() if name)], None)
    return Span(date(year, 1, 1), date(year, 12, 31)) if year else None


def _span(year: int | None, month: int, day: int | None) -> Span:
    in_year = year or 2024  # a leap year, so that 29 February is one
    last = day or calendar.monthrange(in_year, month)[1]
    return Span(date(in_year, month, day or 1), date(in_year, month, last), any_year=year is None)


def _relative(text: str, today: date) -> Span | None:
    if match := _AGO.search(text):
        number = int(match[1]) if match[1].isdecimal() else _NUMBERS[match[1]]
        days = _DAYS[match[2]]
        middle = today - timedelta(days=number * days)
        slack = timedelta(days=days // 2)  # "two weeks ago" means no certain day
        return Span(middle - slack, middle + slack)
    match = _RELATIVE.search(text)
    return _named(match[1], today) if match else None


def _named(words: str, today: date) -> Span:
    if words in ("today", "yesterday"):
        day = today - timedelta(days=words == "yesterday")
        return Span(day, day)
    back = words.startswith("last")
    if words.endswith("week"):
        monday = today - timedelta(days=today.weekday() + 7 * back)
        return Span(monday, monday + timedelta(days=6))
    if words.endswith("month"):
        first = (today.replace(day=1) - timedelta(days=back)).replace(day=1)
        return Span(first, first.replace(day=calendar.monthrange(first.year, first.month)[1]))
    year = today.year - back
    return Span(date(year, 1, 1), date(year, 12, 31))


def _of_years(span: Span, year: int) -> list[Span]:
    years = [each for each in (year - 1, year, year + 1) if 1 <= each <= 9999]
    return [Span(_moved(span.first, each), _moved(span.last, each)) for each in years]


def _moved(day: date, year: int) -> date:
    last = calendar.monthrange(year, day.month)[1]
    return day.replace(year=year, day=min(day.day, last))


def _distance(span: Span, day: date) -> int:
    return max(0, (span.first - day).days, (day - span.last).days)
