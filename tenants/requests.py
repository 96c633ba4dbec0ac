"""What a request says, checked: the habits that the views of all rooms share."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, cast

from rest_framework import serializers
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer

from tenants.auth import Caller
from tenants.fields import meant
from tenants.identifiers import MAX_LENGTH

# Looking for what was meant takes time: a body of nothing but unknown fields is not worth it.
UNKNOWN_NAMED = 10
NOT_A_CURSOR = "Not a cursor of this API; leave it out for the first page."


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields it does not know: a misspelt one would be lost without a word."""

    def to_internal_value(self, data: Any) -> Any:
        """The validated values; a ValidationError names every fault, unknown fields among them."""
        unknown = [name for name in data if name not in self.fields] if isinstance(data, Mapping) else []
        faults = {str(name)[:MAX_LENGTH]: [_unknown(name, self.fields)] for name in unknown[:UNKNOWN_NAMED]}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**cast(dict[str, Any], error.detail), **faults}) from error
        if faults:
            raise serializers.ValidationError(faults)
        return values


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


@cache
def _shared(serializer: type[BaseSerializer[Any]]) -> BaseSerializer[Any]:
    """One instance for all requests: these two keep nothing in it, and making one copies every field."""
    return serializer()
