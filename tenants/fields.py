"""Fields of the API that every room uses: each refuses, with a sentence, what is not exactly what it asks for."""

import difflib
import math
from collections.abc import Iterable
from typing import Any

from rest_framework import serializers

from tenants.identifiers import MAX_LENGTH, validate_identifier


class IdentifierField(serializers.CharField):
    """An id chosen by the client: 1 to 255 printable characters."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_LENGTH, trim_whitespace=False, **kwargs)
        self.validators.append(validate_identifier)

    def to_internal_value(self, data: Any) -> str:
        """Text only: CharField would take the number 7 as "7", and two spellings of one id would arise."""
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class ChoiceField(serializers.ChoiceField):
    """One of a few words; the refusal lists them and does not repeat what was sent, which may be anything."""

    def to_internal_value(self, data: Any) -> str:
        """The word itself."""
        if not isinstance(data, str) or data not in self.choices:
            message = f"Must be one of {', '.join(map(str, self.choices))}."
            raise serializers.ValidationError(message, code="invalid_choice")
        return data


class NumberField(serializers.FloatField):
    """A finite number: neither NaN (which passes every comparison) nor a boolean nor text."""

    def to_internal_value(self, data: Any) -> float:
        """The number itself."""
        if isinstance(data, bool | str) or (isinstance(data, float) and not math.isfinite(data)):
            self.fail("invalid")
        return float(super().to_internal_value(data))


class StrictBooleanField(serializers.BooleanField):
    """true or false of JSON; BooleanField would also take 1, "on" and "no"."""

    def to_internal_value(self, data: Any) -> bool:
        """The boolean itself."""
        if not isinstance(data, bool):
            raise serializers.ValidationError("Must be true or false.", code="invalid")
        return data


class OptionalTextField(serializers.CharField):
    """Text that may be missing: stored as an empty string, said as null."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, **kwargs)

    def to_representation(self, value: Any) -> str | None:  # type: ignore[override]
        """The text, or None."""
        return value or None


def meant(name: str, known: Iterable[str]) -> str:
    """The end of "There is no such ...": a question after the known name that comes closest, or a full stop."""
    by_case = {each.casefold(): each for each in known}
    close = difflib.get_close_matches(name[:MAX_LENGTH].casefold(), by_case, n=1)
    return f"; did you mean {by_case[close[0]]}?" if close else "."
