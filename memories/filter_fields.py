"""What can be filtered by: each field of a message with its operators, what they take, and the condition it makes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from rest_framework.exceptions import ValidationError
from rest_framework.fields import DateTimeField, Field

from memories.fields import (
    METADATA_LEVELS,
    ChoiceField,
    IdentifierField,
    ImportanceField,
    MetadataField,
    NumberField,
    StrictBooleanField,
    meant,
)
from memories.filters import metadata_compares, metadata_contains, metadata_equals, metadata_in
from memories.models import Role
from tenants.identifiers import MAX_LENGTH

METADATA = "metadata"
GROUPS = ("AND", "OR", "NOT")
EQUALITY = ("eq", "ne", "in")
ORDER = ("gt", "gte", "lt", "lte")


@dataclass(frozen=True, kw_only=True)
class Column:
    """A field of a message: what it is compared with, by which operators, and how it stores that it is missing."""

    name: str
    value: Field[Any, Any, Any, Any]
    operators: tuple[str, ...]
    missing: Q | None = None  # None: it never is, and null is refused

    def read(self, operator: str, raw: Any) -> Any:
        """The operand, checked; ValidationError says what would be right."""
        if operator == "contains":
            return _fragment(raw)
        if self.missing is not None and raw in (None, ""):
            if raw is None and operator in EQUALITY:
                return None
            raise ValidationError("Must not be empty; eq null finds messages without one.", code="blank")
        return self.value.run_validation(raw)

    def condition(self, operator: str, value: Any) -> Q:
        """What passes, for a read operand."""
        if operator == "in":
            given = Q(**{f"{self.name}__in": [each for each in value if each is not None]})
            return given | self.missing if self.missing is not None and None in value else given
        if value is None and self.missing is not None:
            return self.missing
        return Q(**{f"{self.name}__{'exact' if operator == 'eq' else operator}": value})


@dataclass(frozen=True, kw_only=True)
class MetadataPath:
    """`metadata.<key>[.<nested key>]`, or all of the metadata: any JSON value."""

    path: tuple[str, ...]

    @property
    def operators(self) -> tuple[str, ...]:
        """All, but of the whole object only containment makes sense."""
        return (*EQUALITY, *ORDER, "contains") if self.path else ("contains",)

    def read(self, operator: str, raw: Any) -> Any:
        """The operand, checked; ValidationError says what would be right."""
        if not self.path and not isinstance(raw, dict):
            raise ValidationError('Must be an object, such as {"channel": "web"}.', code="invalid")
        if operator in ORDER:
            if isinstance(raw, bool) or not isinstance(raw, str | int | float):
                raise ValidationError("Must be a number or a text: others have no order.", code="invalid")
            if not isinstance(raw, str):
                NumberField().run_validation(raw)
        MetadataField().run_validation({"value": raw} if self.path else raw)
        return raw

    def condition(self, operator: str, value: Any) -> Q:
        """What passes, for a read operand."""
        if operator in ORDER:
            return metadata_compares(self.path, operator, value)
        how: dict[str, Callable[..., Q]] = {
            "eq": metadata_equals,
            "in": metadata_in,
            "contains": metadata_contains,
        }
        return how[operator](self.path, value)


def _fragment(raw: Any) -> str:
    if not isinstance(raw, str) or not 1 <= len(raw) <= MAX_LENGTH or not raw.isprintable():
        message = f"Must be 1 to {MAX_LENGTH} printable characters, found literally and with their case."
        raise ValidationError(message, code="invalid")
    return raw


def _text(name: str, *, missing: Q | None = None) -> Column:
    return Column(name=name, value=IdentifierField(), operators=(*EQUALITY, "contains"), missing=missing)


COLUMNS = {
    column.name: column
    for column in (
        _text("conversation_id"),
        _text("user_id", missing=Q(user_id="")),
        _text("agent_id", missing=Q(agent_id="")),
        _text("name", missing=Q(name="")),
        _text("external_id", missing=Q(external_id=None)),
        Column(name="role", value=ChoiceField(choices=Role.choices), operators=EQUALITY),
        Column(name="pinned", value=StrictBooleanField(), operators=EQUALITY),
        Column(name="importance", value=ImportanceField(), operators=(*EQUALITY, *ORDER)),
        Column(name="created_at", value=DateTimeField(), operators=(*EQUALITY, *ORDER)),
    )
}


def field_named(key: str) -> Column | MetadataPath:
    """The field that a filter's key means; ValidationError lists what there is."""
    if key in COLUMNS:
        return COLUMNS[key]
    first, *path = key.split(".")
    if first != METADATA:
        raise ValidationError(unknown("field", key, (*COLUMNS, METADATA, *GROUPS)), code="unknown")
    if not all(path) or len(path) > METADATA_LEVELS:
        raise ValidationError(f"Needs 1 to {METADATA_LEVELS} keys with dots between them.", code="invalid")
    MetadataField().run_validation(dict.fromkeys(path))
    return MetadataPath(path=tuple(path))


def unknown(what: str, name: str, known: tuple[str, ...]) -> str:
    """The refusal of a name: what was meant, and all that there is."""
    return f"There is no such {what}{meant(name, known)} There are {', '.join(known)}."
