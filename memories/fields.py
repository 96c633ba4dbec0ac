"""Fields that know the limits of the API: each refuses, with a sentence, what could not be stored as it is."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from tenants.fields import ChoiceField as ChoiceField
from tenants.fields import IdentifierField as IdentifierField
from tenants.fields import NumberField as NumberField
from tenants.fields import OptionalTextField as OptionalTextField
from tenants.fields import StrictBooleanField as StrictBooleanField
from tenants.fields import meant as meant

METADATA_BYTES = 16 * 1024
METADATA_LEVELS = 5
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
FUTURE = timedelta(days=1)


class BoundedTextField(serializers.CharField):
    """Text of at most so many UTF-8 bytes, kept as it is; NUL and lone surrogates are refused by CharField."""

    def __init__(self, *, max_bytes: int, **kwargs: Any) -> None:
        self.max_bytes = max_bytes
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """The text itself."""
        if not isinstance(data, str):
            self.fail("invalid")
        if not data.strip():
            self.fail("blank")
        return str(super().to_internal_value(data))

    def run_validators(self, value: Any) -> None:
        """CharField's own come first: what they refuse (a lone surrogate) has no length in bytes."""
        super().run_validators(value)
        if (size := len(value.encode("utf-8"))) > self.max_bytes:
            raise serializers.ValidationError(
                f"Must have at most {self.max_bytes} bytes of UTF-8, has {size}.", code="max_length"
            )


class MetadataField(serializers.JSONField):
    """A JSON object that PostgreSQL's jsonb can hold, within the limits."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """The object; a ValidationError names what cannot be stored."""
        if not isinstance(data, dict):
            raise serializers.ValidationError("Must be an object.", code="invalid")
        _refuse_unstorable(data, level=1)
        if (size := len(json.dumps(data, ensure_ascii=False).encode("utf-8"))) > METADATA_BYTES:
            raise serializers.ValidationError(
                f"Must have at most {METADATA_BYTES} bytes as JSON, has {size}.", code="max_length"
            )
        return data


def _refuse_unstorable(value: Any, *, level: int) -> None:
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise serializers.ValidationError(
                "NUL bytes and lone surrogates cannot be stored.", code="unstorable"
            )
    elif isinstance(value, float) and not math.isfinite(value):
        raise serializers.ValidationError("Numbers must be finite.", code="unstorable")
    elif isinstance(value, dict | list):
        if level > METADATA_LEVELS:
            raise serializers.ValidationError(f"Must have at most {METADATA_LEVELS} levels.", code="too_deep")
        inner = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        for each in inner:
            _refuse_unstorable(each, level=level + 1)


class ImportanceField(NumberField):
    """A number from 0 to 1."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0, max_value=1, **kwargs)


class CreatedAtField(serializers.DateTimeField):
    """When it was said: from 1900 to a day from now; without an offset it is UTC."""

    def to_internal_value(self, value: Any) -> datetime:
        """An aware moment."""
        moment = super().to_internal_value(value)
        if not EARLIEST <= moment <= timezone.now() + FUTURE:
            raise serializers.ValidationError(
                "Must lie between 1900 and a day from now.", code="out_of_range"
            )
        return moment
