"""Hard filters: what may be in an answer at all, decided before anything is ranked."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Q

from memories.models import Message


@dataclass(frozen=True, kw_only=True)
class MessageFilters:
    """None means any. `since` is included, `until` is not; metadata values are compared as text or as they are."""

    conversation_id: str | None = None
    user_id: str | None = None
    agent_id: str | None = None
    role: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    def as_q(self) -> Q:
        """The same as a condition on messages; empty when nothing is asked for."""
        equal = {name: getattr(self, name) for name in ("conversation_id", "user_id", "agent_id", "role")}
        condition = Q(**{name: value for name, value in equal.items() if value is not None})
        if self.since is not None:
            condition &= Q(created_at__gte=self.since)
        if self.until is not None:
            condition &= Q(created_at__lt=self.until)
        for key, value in self.metadata.items():
            condition &= _metadata_is(key, value)
        return condition


def where_sql(condition: Q) -> tuple[str, list[Any]]:
    """The condition as SQL over the unaliased table `memories_message`, with its parameters; "" for no condition.

    Django compiles it, so that a filter means the same in the hand-written search as in the ORM.
    """
    if not condition:
        return "", []
    query = Message.objects.filter(condition).query
    sql, params = query.where.as_sql(query.get_compiler(connection=connection), connection)
    return sql, list(params)


def _metadata_is(key: str, value: str) -> Q:
    """A query string has only text: `3` also finds the number 3 and `true` the boolean."""
    condition = Q(metadata__contains={key: value})
    if value in ("true", "false"):
        condition |= Q(metadata__contains={key: value == "true"})
    elif _is_number(value):
        condition |= Q(metadata__contains={key: float(value) if "." in value else int(value)})
    return condition


def _is_number(value: str) -> bool:
    digits = value.removeprefix("-").replace(".", "", 1)
    return len(digits) <= 15 and digits.isascii() and digits.isdecimal() and not value.endswith(".")
