"""What comes in and what goes out: one serializer a direction. No rule of the domain lives here."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

from rest_framework import serializers

from memories.fields import (
    BoundedTextField,
    ChoiceField,
    CreatedAtField,
    IdentifierField,
    ImportanceField,
    MetadataField,
    OptionalTextField,
    meant,
)
from memories.filters import MessageFilters
from memories.ingest import NewMessage
from memories.models import Role
from tenants.identifiers import MAX_LENGTH

CONTENT_BYTES = 64 * 1024
BATCH_MESSAGES = 1000
# Looking for what was meant takes time: a body of nothing but unknown fields is not worth it.
UNKNOWN_NAMED = 10
_OF_A_MESSAGE = frozenset(field.name for field in fields(NewMessage))


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


class MessageIn(StrictSerializer):
    """One message to store."""

    tenant_id = IdentifierField(required=False)
    conversation_id = IdentifierField()
    role = ChoiceField(choices=Role.choices)
    content = BoundedTextField(max_bytes=CONTENT_BYTES)
    name = IdentifierField(required=False, help_text="The speaker's name.")
    user_id = IdentifierField(required=False)
    agent_id = IdentifierField(required=False)
    external_id = IdentifierField(required=False, help_text="Your own id: storing it twice stores it once.")
    metadata = MetadataField(required=False)
    importance = ImportanceField(
        required=False, allow_null=True, help_text="Left out: scored from role and words."
    )
    pinned = serializers.BooleanField(required=False)
    created_at = CreatedAtField(required=False, help_text="Left out: now.")


class BatchIn(StrictSerializer):
    """Up to 1,000 messages of one tenant, all or nothing."""

    tenant_id = IdentifierField(required=False, help_text="For messages that name none.")
    messages: Any = serializers.ListSerializer(
        child=MessageIn(), allow_empty=False, max_length=BATCH_MESSAGES
    )


class MessagePatch(StrictSerializer):
    """What may change of a message; its place in the conversation may not."""

    content = BoundedTextField(max_bytes=CONTENT_BYTES, required=False)
    metadata = MetadataField(required=False)
    importance = ImportanceField(required=False)
    pinned = serializers.BooleanField(required=False)


class StoredOut(serializers.Serializer[Any]):
    """The answer to storing: what a caller needs next."""

    id = serializers.UUIDField()
    external_id = OptionalTextField()
    conversation_id = serializers.CharField()
    importance = serializers.FloatField()
    created_at = serializers.DateTimeField()
    embedding_status = serializers.ChoiceField(choices=["pending", "ready", "failed"])


class BatchOut(serializers.Serializer[Any]):
    """In the order of the request."""

    messages = StoredOut(many=True)


class MessageOut(StoredOut):
    """A whole message."""

    role = serializers.CharField()
    name = OptionalTextField()
    user_id = OptionalTextField()
    agent_id = OptionalTextField()
    content = serializers.CharField()
    metadata = serializers.JSONField()
    pinned = serializers.BooleanField()


class MessagePage(serializers.Serializer[Any]):
    """A page of messages; `next` is the cursor of the following one, null at the end."""

    messages = MessageOut(many=True)
    next = serializers.CharField(allow_null=True)


class TenantIn(StrictSerializer):
    """Which tenant; a tenant's own key need not say."""

    tenant_id = IdentifierField(required=False)


class FiltersIn(TenantIn):
    """The filters of a query string; `metadata.<key>=<value>` may be repeated with other keys."""

    conversation_id = IdentifierField(required=False)
    user_id = IdentifierField(required=False)
    agent_id = IdentifierField(required=False)
    role = ChoiceField(choices=Role.choices, required=False)
    pinned = serializers.BooleanField(required=False)
    since = serializers.DateTimeField(required=False, help_text="From this moment on.")
    until = serializers.DateTimeField(required=False, help_text="Before this moment.")


class ListIn(FiltersIn):
    """A page of messages."""

    limit = serializers.IntegerField(min_value=1, max_value=100, default=50)
    cursor = serializers.CharField(required=False)


def as_new_message(values: Mapping[str, Any]) -> NewMessage:
    """Validated input -> what ingest takes."""
    return NewMessage(**{name: value for name, value in values.items() if name in _OF_A_MESSAGE})


def as_filters(
    values: Mapping[str, Any],
    *,
    metadata: Mapping[str, Any] | None = None,
    metadata_text: Mapping[str, str] | None = None,
) -> MessageFilters:
    """Validated input of `FiltersIn` -> hard filters."""
    names = ("conversation_id", "user_id", "agent_id", "role", "pinned", "since", "until")
    return MessageFilters(
        **{name: values.get(name) for name in names},
        metadata=dict(metadata or {}),
        metadata_text=dict(metadata_text or {}),
    )
