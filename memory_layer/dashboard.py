"""The admin's front page: what needs attention first, health as a row of lights, numbers, and charts of real rows.

Each part is shown to those who may look at the rows behind it. Who is bound to some tenants (`tenants.support`) sees
numbers of these alone, and nothing of the installation as a whole.
"""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from memories import overview
from memory_layer import dashboard_attention, dashboard_charts, health
from memory_layer.dashboard_numbers import Numbers, gather
from memory_layer.dashboard_parts import Tile, duration, page, size

# Health's parts, as they are called in the row of lights.
_LIGHTS = {
    "database": "Database",
    "pgvector": "pgvector",
    "redis": "Redis",
    "rate_limits": "Rate limits",
    "worker": "Worker",
    "beat": "Scheduler",
    "provider": "Embedding provider",
    "jobs": "Embedding jobs",
}


def context(request: HttpRequest, given: dict[str, Any]) -> dict[str, Any]:
    """Unfold's callback: the page's context with ours in it."""
    numbers = gather(request.user)
    return given | {
        "lights": [_light(part) for part in numbers.parts],
        "attention": dashboard_attention.found(numbers),
        "tiles": _tiles(numbers),
        "charts": dashboard_charts.drawn(numbers),
        "largest": numbers.stored.largest if numbers.stored else [],
        "runs": numbers.runs,
        "recalls": numbers.recalls,
        "looked_at": timezone.now(),
    }


def _light(part: health.Part) -> dict[str, Any]:
    name = part["part"]
    return {"name": _LIGHTS.get(name, name), "ok": part["ok"], "says": _says(part)}


def _says(part: health.Part) -> str:
    """The part in a few words; its reason where it is not well."""
    if detail := part.get("detail"):
        return str(detail)
    if "last_seen_seconds" in part:
        age = part["last_seen_seconds"]
        return "never seen" if age is None else f"seen {duration(age)} ago"
    if "backlog" in part:
        age = duration(part["oldest_age_seconds"])
        return f"{part['backlog']:,} waiting, the oldest {age}" if part["backlog"] else "nothing waits"
    if "provider" in part:
        states = {circuit["state"] for circuit in part["breaker"]}
        return f"{part['provider']}{', breaker ' + ', '.join(sorted(states)) if states else ''}"
    return str(part.get("version") or part.get("on_outage") or "")


def _tiles(numbers: Numbers) -> list[Tile]:
    tiles = []
    if numbers.stored is not None:
        note = f"{size(numbers.stored.bytes)} of text and metadata"
        tiles.append(Tile("Messages", f"{numbers.stored.messages:,}", note, page("memories.message")))
    if numbers.user.has_perm("memories.view_archivedmessage"):
        tiles.append(_archived(numbers.user))
    if numbers.whole:
        tiles += [_searches(numbers), _cost(numbers)]
    if (jobs := numbers.jobs) is not None:
        note = f"the oldest waits {duration(jobs.oldest_seconds)}" if jobs.open else "nothing waits"
        tiles.append(Tile("Embedding jobs", f"{jobs.open:,}", note, page("memories.embeddingjob")))
    if numbers.whole:
        tiles.append(Tile("On disk", size(overview.disk_bytes()), "tables and indexes", None))
    return tiles


def _archived(user: Any) -> Tile:
    number, exact = overview.archived(user)
    said = f"{number:,}" if exact else f"about {number:,}"
    return Tile("Archived", said, "out of the memory, can come back", page("memories.archivedmessage"))


def _searches(numbers: Numbers) -> Tile:
    last_day = numbers.hours[-24:]
    asked = sum(hour.searches + hour.cached for hour in last_day)
    slowest = [hour.slow_ms for hour in last_day if hour.slow_ms is not None]
    note = f"95 % within {max(slowest):.0f} ms in every hour" if slowest else "none in the last 24 hours"
    return Tile("Searches, 24 h", f"{asked:,}", note, None)


def _cost(numbers: Numbers) -> Tile:
    spent = overview.spent_this_month(numbers.user)
    return Tile(
        "Embedding, this month",
        f"${spent.usd:,.2f}",
        f"{spent.tokens:,} tokens",
        reverse("console:statistics-costs"),
    )
