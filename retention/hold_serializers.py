"""Legal holds: what comes in and what goes out."""

from typing import Any

from rest_framework import serializers

from memories.fields import BoundedTextField, ChoiceField, IdentifierField, OptionalTextField
from memories.serializers import StrictSerializer
from retention.models import HoldKind, LegalHold

REASON_BYTES = 1000
ACTIVE, RELEASED = STATES = ("active", "released")


class HoldIn(StrictSerializer):
    """What to hold, and why."""

    tenant_id = IdentifierField(required=False)
    kind = ChoiceField(choices=HoldKind.choices)
    subject = IdentifierField(
        required=False,
        allow_null=True,
        help_text="The user_id or conversation_id; none for the whole tenant.",
    )
    reason = BoundedTextField(
        max_bytes=REASON_BYTES, help_text="Such as the matter's number. No personal data."
    )


class HoldsIn(StrictSerializer):
    """A page of holds."""

    tenant_id = IdentifierField(required=False)
    state = ChoiceField(choices=STATES, required=False, help_text="Left out: both.")
    limit = serializers.IntegerField(min_value=1, max_value=100, default=50)
    cursor = serializers.CharField(required=False)


class HoldOut(serializers.ModelSerializer[LegalHold]):
    """A hold. `placed_by` and `released_by`: the prefix of the key, or the admin's name."""

    tenant_id = serializers.CharField(source="tenant.name")
    subject = OptionalTextField()
    released_by = OptionalTextField()

    class Meta:
        model = LegalHold
        fields = [
            "id",
            "tenant_id",
            "kind",
            "subject",
            "reason",
            "placed_by",
            "placed_at",
            "released_by",
            "released_at",
        ]


class HoldsOut(serializers.Serializer[Any]):
    """A page of holds, the newest first; `next` is the cursor of the following one, null at the end."""

    holds = HoldOut(many=True)
    next = serializers.CharField(allow_null=True)
