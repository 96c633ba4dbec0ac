"""A conversation as it was said, a page at a time, with what of it is in the archive.

By place (created_at, id) along the index of conversations: a page costs the same at the end of a long conversation as
at its beginning.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from memories.models import ArchivedMessage, Message
from tenants.models import Tenant

Line = Message | ArchivedMessage
Place = tuple[datetime, UUID]


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """Some turns in the order in which they were said, and whether there is more before and after them."""

    lines: Sequence[Line]
    earlier: bool
    later: bool


def last_page(*, tenant: Tenant, conversation_id: str, limit: int) -> Transcript:
    """The newest turns."""
    lines, more = _beyond(tenant, conversation_id, None, limit, later=False)
    return Transcript(lines=lines[::-1], earlier=more, later=False)


def page_before(*, tenant: Tenant, conversation_id: str, place: Place, limit: int) -> Transcript:
    """The turns that were said just before this place."""
    lines, more = _beyond(tenant, conversation_id, place, limit, later=False)
    return Transcript(lines=lines[::-1], earlier=more, later=True)


def page_after(*, tenant: Tenant, conversation_id: str, place: Place, limit: int) -> Transcript:
    """The turns that were said just after it."""
    lines, more = _beyond(tenant, conversation_id, place, limit, later=True)
    return Transcript(lines=lines, earlier=True, later=more)


def around(*, line: Line, beside: int) -> Transcript:
    """A message with so many turns before and after it."""
    given = (line.tenant, line.conversation_id, place_of(line), beside)
    before, earlier = _beyond(*given, later=False)
    after, later = _beyond(*given, later=True)
    return Transcript(lines=[*before[::-1], line, *after], earlier=earlier, later=later)


def place_of(line: Line) -> Place:
    """Where it stands in its conversation."""
    return line.created_at, line.id


def _beyond(
    tenant: Tenant, conversation_id: str, place: Place | None, limit: int, *, later: bool
) -> tuple[list[Line], bool]:
    """The nearest turns on one side of a place, the nearest first, and whether there are more."""
    found: dict[UUID, Line] = {}  # one that moves between the two looks is shown once
    for rows in (
        Message.objects.defer("document"),
        ArchivedMessage.objects.filter(deleted_at=None).defer("document", "jobs"),
    ):
        some: Any = rows.filter(tenant=tenant, conversation_id=conversation_id).filter(_side(place, later))
        order = ("created_at", "id") if later else ("-created_at", "-id")
        found |= {row.id: row for row in some.order_by(*order)[: limit + 1]}
    lines = sorted(found.values(), key=place_of, reverse=not later)
    return lines[:limit], len(lines) > limit


def _side(place: Place | None, later: bool) -> Q:
    """The first condition is for the index, the second for ties."""
    if place is None:
        return Q()
    moment, message_id = place
    if later:
        return Q(created_at__gte=moment) & (Q(created_at__gt=moment) | Q(id__gt=message_id))
    return Q(created_at__lte=moment) & (Q(created_at__lt=moment) | Q(id__lt=message_id))
