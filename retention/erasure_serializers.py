"""Erasures and exports: what comes in and what goes out."""

from typing import Any

from rest_framework import serializers

from memories.fields import IdentifierField
from memories.serializers import StrictSerializer
from retention.models import ErasureReceipt


class EraseTenantIn(StrictSerializer):
    """An erasure that nobody asks for by accident."""

    confirm = serializers.CharField(help_text="The name of the tenant once more.")


class UserIn(StrictSerializer):
    """One user."""

    tenant_id = IdentifierField(required=False)
    user_id = IdentifierField()


class ReceiptsIn(StrictSerializer):
    """A page of receipts."""

    tenant_id = IdentifierField(required=False, help_text="An operator who leaves it out means all tenants.")
    limit = serializers.IntegerField(min_value=1, max_value=100, default=50)
    cursor = serializers.CharField(required=False)


class ReceiptOut(serializers.ModelSerializer[ErasureReceipt]):
    """That somebody was erased, without saying who or what."""

    counts = serializers.DictField(
        child=serializers.IntegerField(), help_text="Rows removed or renamed, by table."
    )

    class Meta:
        model = ErasureReceipt
        fields = [
            "id",
            "kind",
            "subject_digest",
            "counts",
            "digest",
            "requested_by",
            "started_at",
            "finished_at",
            "verified",
        ]


class ListedReceiptOut(ReceiptOut):
    """One of a list."""

    tenant_id = serializers.CharField(allow_null=True, help_text="Null: the tenant is gone.")

    class Meta(ReceiptOut.Meta):
        fields = [*ReceiptOut.Meta.fields, "tenant_id"]


class ReceiptPage(serializers.Serializer[Any]):
    """A page of receipts, the newest first."""

    receipts = ListedReceiptOut(many=True)
    next = serializers.CharField(allow_null=True)
