"""The charts of the dashboard."""

from collections.abc import Callable, Sequence
from typing import Any

from django.urls import reverse

from memories import activity
from memory_layer.dashboard_numbers import DAYS, Numbers
from memory_layer.dashboard_parts import Chart, page
from retention import overview as retention_overview

_BY_HOUR = "by the hour, last 7 days (UTC)"
_BY_DAY = f"by day, last {DAYS} days (UTC)"


def drawn(numbers: Numbers) -> list[Chart]:
    """Those that this person may see."""
    charts = [*(_activity(numbers.hours) if numbers.whole else [])]
    if numbers.user.has_perm("retention.view_retentionrun"):
        charts.append(_retention(numbers.user))
    if numbers.whole:
        charts.append(_costs(numbers))
    return charts


def _activity(hours: Sequence[activity.Hour]) -> list[Chart]:
    labels = [hour.start.strftime("%a %d %b, %H:00") for hour in hours]

    def values(of: Callable[[activity.Hour], float | None]) -> list[float | None]:
        return [of(hour) for hour in hours]

    stored = [("stored", values(lambda hour: hour.stored))]
    searches = [
        ("made anew", values(lambda hour: hour.searches)),
        ("from the cache", values(lambda hour: hour.cached)),
    ]
    times = [
        ("half within", values(lambda hour: hour.median_ms)),
        ("95 % within", values(lambda hour: hour.slow_ms)),
    ]
    messages = page("memories.message")
    none = "is counted from now on: it shows here within seconds."
    return [
        Chart(
            "stored",
            "Messages stored",
            _BY_HOUR,
            "bar",
            labels,
            stored,
            "",
            f"What is stored {none}",
            messages,
        ),
        Chart("searches", "Searches", _BY_HOUR, "bar", labels, searches, "", f"Every search {none}"),
        Chart(
            "latency", "Search latency", _BY_HOUR, "line", labels, times, "ms", f"What searches take {none}"
        ),
    ]


def _retention(user: Any) -> Chart:
    days = retention_overview.by_day(user, days=DAYS)
    series: list[tuple[str, list[float | None]]] = [
        ("archived", [day.archived for day in days]),
        ("deleted", [day.deleted for day in days]),
        ("restored", [day.restored for day in days]),
    ]
    return Chart(
        "retention",
        "Retention",
        f"messages moved {_BY_DAY}",
        "bar",
        [day.day.strftime("%a %d %b") for day in days],
        series,
        "",
        "No run has moved anything yet. A policy says what leaves the memory, and when.",
        page("retention.retentionrun"),
        [page("retention.retentionrun", **_on(day.day.isoformat())) for day in days],
    )


def _costs(numbers: Numbers) -> Chart:
    return Chart(
        "costs",
        "Embedding cost",
        f"US dollars {_BY_DAY}",
        "bar",
        [day.strftime("%a %d %b") for day, _, _ in numbers.costs],
        [("cost", [round(cost, 4) for _, cost, _ in numbers.costs])],
        "$",
        "Nothing was embedded by a paid provider. Local models cost nothing.",
        reverse("console:statistics-costs"),
    )


def _on(day: str) -> dict[str, str]:
    """As the list's filter of days has it."""
    return {"started_at_from": day, "started_at_to": day}
