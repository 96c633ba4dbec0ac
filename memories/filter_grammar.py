"""The nested filters of a body -> conditions. docs/api.md is the page for users.

    filter    = {"AND": [filter, ...]} | {"OR": [filter, ...]} | {"NOT": filter} | {field: test}
    test      = value | {operator: value, ...}

Several keys in one object mean AND. A value alone means eq. A value that a message lacks is null, and ne and NOT are
exact complements: of a filter and its NOT every message passes one. Every refusal names the path of the fault.
"""

import operator
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import Any

from django.db.models import Q
from rest_framework.exceptions import ValidationError

from memories.filter_fields import GROUPS, Column, MetadataPath, field_named, unknown
from memories.filters import Parts, all_of
from tenants.identifiers import MAX_LENGTH

DEPTH = 8
CONDITIONS = 100
# Of all lists of a filter together: each value may be compared with every message of the tenant.
IN_VALUES = 1000


def read_filter(data: Any) -> Parts:
    """The conditions that the filter means, which must all hold, each with its path: what AND joins is told apart.

    ValidationError {path: message} for the first fault of a filter that means none. At most DEPTH levels, CONDITIONS
    conditions and IN_VALUES values in lists.
    """
    return _Reader().parts(data, "", level=1)


@dataclass
class _Reader:
    """Walks down a filter and counts."""

    conditions: int = 0
    in_values: int = 0

    def parts(self, data: Any, path: str, *, level: int) -> Parts:
        """An object: all of its keys hold."""
        with _at(path):
            if not isinstance(data, dict):
                raise ValidationError('Must be an object, such as {"role": "user"}.', code="invalid")
            if not data:
                raise ValidationError("Must have a condition; to filter nothing, leave it out.", code="empty")
            if level > DEPTH:
                raise ValidationError(f"Must have at most {DEPTH} levels.", code="too_deep")
        return [part for key in data for part in self._key(key, data[key], _join(path, key), level=level)]

    def _key(self, key: str, data: Any, path: str, *, level: int) -> Parts:
        if key in GROUPS:
            return self._group(key, data, path, level=level + 1)
        with _at(path):
            tested = field_named(key)
        return self._tests(tested, data, path)

    def _group(self, key: str, data: Any, path: str, *, level: int) -> Parts:
        if key == "NOT":
            return [(path, ~all_of(self.parts(data, path, level=level)))]
        with _at(path):
            if not isinstance(data, list) or not data:
                raise ValidationError("Must be a list of one or more filters.", code="invalid")
        groups = [self.parts(each, f"{path}[{n}]", level=level) for n, each in enumerate(data)]
        if key == "AND":
            return [part for group in groups for part in group]
        return [(path, reduce(operator.or_, map(all_of, groups)))]

    def _tests(self, tested: Column | MetadataPath, data: Any, path: str) -> Parts:
        if not isinstance(data, dict):
            with _at(path):
                if isinstance(data, list):
                    raise ValidationError('Must be one value; for several write {"in": [...]}.')
                return [(path, self._test(tested, "eq", data, path))]
        with _at(path):
            if not data:
                raise ValidationError(f"Must have an operator: {', '.join(tested.operators)}.", code="empty")
        tests = [(_join(path, name), name) for name in data]
        return [(inner, self._test(tested, name, data[name], inner)) for inner, name in tests]

    def _test(self, tested: Column | MetadataPath, name: str, raw: Any, path: str) -> Q:
        with _at(path):
            self.conditions += 1
            if self.conditions > CONDITIONS:
                raise ValidationError(f"Must be at most {CONDITIONS} conditions in all.", code="too_many")
            if name not in tested.operators:
                raise ValidationError(unknown("operator here", name, tested.operators), code="unknown")
            if name == "in":
                return tested.condition(name, self._list(tested, raw, path))
            value = tested.read(name, raw)
            return ~tested.condition("eq", value) if name == "ne" else tested.condition(name, value)

    def _list(self, tested: Column | MetadataPath, raw: Any, path: str) -> list[Any]:
        if not isinstance(raw, list) or not raw:
            raise ValidationError("Must be a list of one or more values.", code="invalid")
        self.in_values += len(raw)
        if self.in_values > IN_VALUES:
            raise ValidationError(f"Must be at most {IN_VALUES} values in all lists.", code="too_many")
        values = []
        for n, each in enumerate(raw):
            with _at(f"{path}[{n}]"):
                values.append(tested.read("in", each))
        return values


def _join(path: str, key: str) -> str:
    key = key[:MAX_LENGTH]
    return f"{path}.{key}" if path else key


@contextmanager
def _at(path: str) -> Iterator[None]:
    """Names the path in a fault that does not yet name one."""
    try:
        yield
    except ValidationError as error:
        if not path or isinstance(error.detail, Mapping):
            raise
        raise ValidationError({path: error.detail}) from error
