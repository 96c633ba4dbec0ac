"""What comes in and what goes out: one serializer a direction. No rule of the domain lives here."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from rest_framework import serializers
from rest_framework.fields import SkipField

from memories.fields import (
    BoundedTextField,
    ChoiceField,
    CreatedAtField,
    IdentifierField,
    ImportanceField,
    MetadataField,
    OptionalTextField,
)
from memories.filters import MessageFilters
from memories.ingest import NewMessage
from memories.models import Message, Role
from memories.whole_messages import WholeMessage
from tenants.requests import StrictSerializer as StrictSerializer

CONTENT_BYTES = 64 * 1024
BATCH_MESSAGES = 1000
_OF_A_MESSAGE = frozenset(field.name for field in fields(NewMessage))


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


class ArchivedField(serializers.BooleanField):
    """Said of archived messages only."""

    def get_attribute(self, instance: Any) -> bool:
        """True, or SkipField."""
        if getattr(instance, "archived_at", None) is None:
            raise SkipField
        return True


class StoredOut(serializers.Serializer[Any]):
    """The answer to storing: what a caller needs next."""

    id = serializers.UUIDField()
    external_id = OptionalTextField()
    conversation_id = serializers.CharField()
    importance = serializers.FloatField()
    created_at = serializers.DateTimeField()
    embedding_status = serializers.ChoiceField(choices=["pending", "ready", "failed"])
    archived: serializers.BooleanField = ArchivedField(
        required=False, help_text="True: it was stored before, and is in the archive."
    )


_STORED = tuple(StoredOut().fields)
# What the request says itself.
_ECHOED = frozenset({"external_id", "conversation_id"})


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


class PlaceOut(serializers.Serializer[Any]):
    """Said only where `include_archived` is true."""

    archived = serializers.BooleanField(required=False, help_text="Whether it is in the archive.")
    archived_at = serializers.DateTimeField(required=False, help_text="Only of archived ones.")
    archive_reason = serializers.CharField(required=False, help_text="Only of archived ones.")


class PlacedMessageOut(MessageOut, PlaceOut):
    """A whole message and where it is."""


class MessagePage(serializers.Serializer[Any]):
    """A page of messages; `next` is the cursor of the following one, null at the end."""

    messages = PlacedMessageOut(many=True)
    next = serializers.CharField(allow_null=True)


class TenantIn(StrictSerializer):
    """Which tenant; a tenant's own key need not say."""

    tenant_id = IdentifierField(required=False)


class PlaceIn(StrictSerializer):
    """Whether to look into the archive too."""

    include_archived = serializers.BooleanField(default=False, help_text="Look into the archive too.")


class ReadIn(TenantIn, PlaceIn):
    """Where to look for a message."""


class FiltersIn(TenantIn):
    """The filters of a query string; `metadata.<key>=<value>` may be repeated with other keys."""

    conversation_id = IdentifierField(required=False)
    user_id = IdentifierField(required=False)
    agent_id = IdentifierField(required=False)
    role = ChoiceField(choices=Role.choices, required=False)
    pinned = serializers.BooleanField(required=False)
    since = serializers.DateTimeField(required=False, help_text="From this moment on.")
    until = serializers.DateTimeField(required=False, help_text="Before this moment.")


class ListIn(FiltersIn, PlaceIn):
    """A page of messages."""

    limit = serializers.IntegerField(min_value=1, max_value=100, default=50)
    cursor = serializers.CharField(required=False)


def as_new_message(values: Mapping[str, Any]) -> NewMessage:
    """Validated input -> what ingest takes."""
    return NewMessage(**{name: value for name, value in values.items() if name in _OF_A_MESSAGE})


def as_moment(at: datetime) -> str:
    """As DateTimeField says it."""
    return at.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def as_receipt(message: Message | WholeMessage) -> dict[str, Any]:
    """What of the answer to storing is no text, and no id that the client chose: ready for JSON.

    Made by hand: StoredOut takes as long as a tenth of storing it. A test holds the two together.
    """
    receipt = {
        "id": str(message.id),
        "importance": message.importance,
        "created_at": as_moment(message.created_at),
        "embedding_status": message.embedding_status,
    }
    return receipt | ({} if getattr(message, "archived_at", None) is None else {"archived": True})


def as_stored(receipt: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A receipt and the request that it is for -> the body that StoredOut describes."""
    return {
        name: receipt[name] if name in receipt else values.get(name)
        for name in _STORED
        if name in receipt or name in _ECHOED
    }


def as_placed(message: Message | WholeMessage) -> dict[str, Any]:
    """Where the message is, as PlaceOut describes it."""
    if isinstance(message, Message) or message.archived_at is None:
        return {"archived": False}
    return {"archived": True, "archived_at": message.archived_at, "archive_reason": message.reason}


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
