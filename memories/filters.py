"""Hard filters: what may be in an answer at all, decided before anything is ranked.

Every condition made here is true or false for every message, never NULL, so that NOT is its exact complement.
"""

import json
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.db.models import BooleanField, Expression, F, Func, JSONField, Q, TextField, Value
from django.db.models.functions import Cast, Collate

from memories.models import Message

SYMBOLS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
NO_CONDITION = Q()

# Conditions that must all hold, each with the path of the caller's field that asks for it.
Parts = list[tuple[str, Q]]


@dataclass(frozen=True, kw_only=True)
class MessageFilters:
    """The flat filters. None means any. `since` is included, `until` is not.

    `metadata` is equal as JSON; the values of `metadata_text` are compared as text or as what they read like.
    """

    conversation_id: str | None = None
    user_id: str | None = None
    agent_id: str | None = None
    role: str | None = None
    pinned: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    metadata_text: dict[str, str] = field(default_factory=dict)

    def parts(self) -> Parts:
        """The same as conditions on messages, one a field."""
        names = ("conversation_id", "user_id", "agent_id", "role", "pinned")
        equal = {name: getattr(self, name) for name in names}
        parts = [(name, Q(**{name: value})) for name, value in equal.items() if value is not None]
        if self.since is not None:
            parts.append(("since", Q(created_at__gte=self.since)))
        if self.until is not None:
            parts.append(("until", Q(created_at__lt=self.until)))
        parts += [(f"metadata.{key}", metadata_equals([key], value)) for key, value in self.metadata.items()]
        parts += [(f"metadata.{key}", _metadata_reads(key, text)) for key, text in self.metadata_text.items()]
        return parts


def all_of(parts: Iterable[tuple[str, Q]]) -> Q:
    """The one condition that all parts hold; empty when nothing is asked for."""
    return reduce(operator.and_, (condition for _, condition in parts), NO_CONDITION)


def where_sql(condition: Q) -> tuple[str, list[Any]]:
    """The condition as SQL over the unaliased table `memories_message`, with its parameters; "" for no condition.

    Django compiles it, so that a filter means the same in the hand-written search as in the ORM.
    """
    if not condition:
        return "", []
    query = Message.objects.filter(condition).query
    sql, params = query.where.as_sql(query.get_compiler(connection=connection), connection)
    return sql, list(params)


def metadata_equals(path: Sequence[str], value: Any) -> Q:
    """The value at the path equals this one as JSON: 1 is 1.0, but neither "1" nor true. What is missing is null."""
    if value is None or isinstance(value, dict | list):
        return _holds(_metadata_at(path), "=", _json(value))
    for key in reversed(path):
        value = {key: value}
    # For a scalar containment says the same, and the planner has statistics for it.
    return Q(metadata__contains=value)


def metadata_in(path: Sequence[str], values: Sequence[Any]) -> Q:
    """The value at the path equals one of these as JSON."""
    texts = Value([json.dumps(value) for value in values], output_field=ArrayField(TextField()))
    return _holds(_metadata_at(path), "=", Func(texts, template="ANY(%(expressions)s::jsonb[])"))


def metadata_contains(path: Sequence[str], value: Any) -> Q:
    """JSON containment, PostgreSQL's @>: an object's keys and values, a list's elements; path [] is all metadata."""
    return _holds(_metadata_at(path), "@>", _json(value))


def metadata_compares(path: Sequence[str], operator: str, value: float | str) -> Q:
    """gt, gte, lt or lte: a number with numbers, a text with texts by code point; false for all other values."""
    at = _metadata_at(path)
    if not isinstance(value, str):
        return _is_a("number", at) & _holds(at, SYMBOLS[operator], _json(value))
    text = Func(at, template="(%(expressions)s #>> '{}')", output_field=TextField())
    return _is_a("string", at) & _holds(Collate(text, "C"), SYMBOLS[operator], Value(value))


def _metadata_at(path: Sequence[str]) -> Expression:
    """The value at the path through objects; JSON null where there is none, so that no comparison is ever NULL."""
    keys = [Cast(Value(key), TextField()) for key in path]
    return Func(
        F("metadata"),
        *keys,
        template="coalesce(%(expressions)s, 'null'::jsonb)",
        arg_joiner=" -> ",
        output_field=JSONField(),
    )


def _is_a(kind: str, at: Expression) -> Q:
    return _holds(Func(at, function="jsonb_typeof", output_field=TextField()), "=", Value(kind))


def _json(value: Any) -> Expression:
    return Func(Value(json.dumps(value)), template="%(expressions)s::jsonb", output_field=JSONField())


def _holds(left: Expression, symbol: str, right: Expression) -> Q:
    comparison = Func(
        left, right, template="(%(expressions)s)", arg_joiner=f" {symbol} ", output_field=BooleanField()
    )
    return Q(comparison)


def _metadata_reads(key: str, text: str) -> Q:
    """A query string has only text: `3` also finds the number 3 and `true` the boolean."""
    condition = metadata_equals([key], text)
    if text in ("true", "false"):
        condition |= metadata_equals([key], text == "true")
    elif _is_number(text):
        condition |= metadata_equals([key], float(text) if "." in text else int(text))
    return condition


def _is_number(text: str) -> bool:
    digits = text.removeprefix("-").replace(".", "", 1)
    return len(digits) <= 15 and digits.isascii() and digits.isdecimal() and not text.endswith(".")
