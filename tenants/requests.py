"""What a request says, checked: the habits that the views of all rooms share."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, cached_property
from typing import Any, cast

from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework import serializers
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.fields import SkipField, empty, get_error_detail
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer
from rest_framework.utils.encoders import JSONEncoder

from tenants.auth import Caller
from tenants.fields import meant
from tenants.identifiers import MAX_LENGTH

# Looking for what was meant takes time: a body of nothing but unknown fields is not worth it.
UNKNOWN_NAMED = 10
NOT_A_CURSOR = "Not a cursor of this API; leave it out for the first page."
# DRF's renderer makes one for each answer.
_ENCODER = JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
# What a field that is left out is: nothing; or it must be asked, as it is required or has more to say.
_NOTHING, _ASKED = object(), object()


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields it does not know: a misspelt one would be lost without a word.

    DRF asks every field what it makes of not being there: a tenth of a millisecond for a search, which says two of
    fourteen. Here that is known beforehand.
    """

    def to_internal_value(self, data: Any) -> Any:
        """The validated values; a ValidationError names every fault, unknown fields among them."""
        unknown = [name for name in data if name not in self.fields] if isinstance(data, Mapping) else []
        faults = {str(name)[:MAX_LENGTH]: [_unknown(name, self.fields)] for name in unknown[:UNKNOWN_NAMED]}
        try:
            # In a form, which is no plain dict, DRF takes some fields that are left out for false.
            values = self._read(data) if type(data) is dict else super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**cast(dict[str, Any], error.detail), **faults}) from error
        if faults:
            raise serializers.ValidationError(faults)
        return values

    def run_validators(self, value: Any) -> None:
        """Those of the whole; DRF gathers what they would want to know even where there are none."""
        if self.validators:
            super().run_validators(value)

    def _read(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """As DRF's loop does it: the fields in their order, all faults together."""
        values: dict[str, Any] = {}
        faults: dict[str, Any] = {}
        for field, check, absent in self._readers:
            if absent is not _ASKED and field.field_name not in data:
                if absent is not _NOTHING:
                    self.set_value(values, field.source_attrs, absent)
                continue
            try:
                value = field.run_validation(field.get_value(data))
                value = value if check is None else check(value)
            except serializers.ValidationError as error:
                faults[field.field_name] = error.detail
            except DjangoValidationError as error:
                faults[field.field_name] = get_error_detail(error)
            except SkipField:
                continue
            else:
                self.set_value(values, field.source_attrs, value)
        if faults:
            raise serializers.ValidationError(faults)
        return values

    @cached_property
    def _readers(self) -> list[tuple[Any, Callable[[Any], Any] | None, Any]]:
        """The fields that may be sent, with this class's own check of each, and what each is where it is left out."""
        checks = (
            (field, getattr(self, f"validate_{field.field_name}", None)) for field in self._writable_fields
        )
        return [(field, check, _ASKED if check else _left_out(field)) for field, check in checks]


def _left_out(field: Any) -> Any:
    if field.required:
        return _ASKED
    if field.default is empty:
        return _NOTHING
    return _ASKED if callable(field.default) else field.default


def _unknown(name: Any, known: Mapping[str, Any]) -> serializers.ErrorDetail:
    return serializers.ErrorDetail(f"There is no such field{meant(str(name), known)}", code="unknown")


class Conflict(APIException):
    """The request contradicts what is stored."""

    status_code = 409
    default_code = "conflict"


def caller_of(request: Request) -> Caller:
    """Who is asking, as `tenants.auth` found out."""
    return cast(Caller, request.user)


@contextmanager
def reading_cursor() -> Iterator[None]:
    """A ValueError about a cursor's parts is the client's fault: ValidationError (400)."""
    try:
        yield
    except ValueError as error:
        raise ValidationError({"cursor": [NOT_A_CURSOR]}) from error


def valid(serializer: type[BaseSerializer[Any]], data: Any) -> dict[str, Any]:
    """What was sent, checked and converted; a ValidationError (400) names each fault."""
    return cast(dict[str, Any], _shared(serializer).run_validation(data))  # type: ignore[arg-type]


def shown(serializer: type[BaseSerializer[Any]], of: Any) -> dict[str, Any]:
    """What the serializer says of it, ready for JSON."""
    return dict(_shared(serializer).to_representation(of))  # type: ignore[arg-type]


def rendered(body: Mapping[str, Any]) -> bytes:
    """What `shown` says, or what was made as it is, as it is sent."""
    return _ENCODER.encode(body).encode()


@cache
def _shared(serializer: type[BaseSerializer[Any]]) -> BaseSerializer[Any]:
    """One instance for all requests: these two keep nothing in it, and making one copies every field."""
    return serializer()
