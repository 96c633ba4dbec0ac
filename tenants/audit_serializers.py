"""The audit trail: what is asked, and what goes out."""

from typing import Any

from rest_framework import serializers

from tenants.audit_actions import AuditAction
from tenants.audit_event import AuditEvent
from tenants.fields import ChoiceField, IdentifierField
from tenants.requests import StrictSerializer

TEXT_MAX = 255


class AuditIn(StrictSerializer):
    """A page of the audit trail."""

    tenant_id = IdentifierField(
        required=False, help_text="Left out, for operators: all, and the installation."
    )
    action = ChoiceField(choices=AuditAction.choices, required=False)
    actor = serializers.CharField(
        required=False,
        max_length=TEXT_MAX,
        help_text="A key's prefix, an admin's user name, a user of the operating system, or a task.",
    )
    object = serializers.CharField(
        required=False,
        max_length=TEXT_MAX,
        help_text="The id of a message, policy, hold or run, a key's prefix, or a digest as receipts have it.",
    )
    since = serializers.DateTimeField(required=False, help_text="From then on.")
    until = serializers.DateTimeField(required=False, help_text="Before then.")
    limit = serializers.IntegerField(min_value=1, max_value=100, default=50)
    cursor = serializers.CharField(required=False)


class AuditEventOut(serializers.ModelSerializer[AuditEvent]):
    """Who did what to what, without content."""

    tenant_id = serializers.CharField(
        source="tenant_name", allow_null=True, help_text="Null: the installation, or a tenant that is gone."
    )
    changes = serializers.DictField(child=serializers.JSONField())

    class Meta:
        model = AuditEvent
        fields = [
            "id",
            "at",
            "action",
            "tenant_id",
            "actor_kind",
            "actor",
            "request_id",
            "object_kind",
            "object_id",
            "changes",
        ]


class AuditPage(serializers.Serializer[Any]):
    """A page of events; `next` is the cursor of the following one, null at the end."""

    events = AuditEventOut(many=True)
    next = serializers.CharField(allow_null=True)
