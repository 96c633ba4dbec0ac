"""Tenants and keys: what comes in and what goes out. The limits of settings are those of the model."""

from datetime import datetime
from typing import Any

from django.db import models
from django.utils import timezone
from rest_framework import serializers

from tenants.cell_rate import PER_MINUTE_MAX
from tenants.fields import ChoiceField, IdentifierField, NumberField, OptionalTextField, StrictBooleanField
from tenants.lifecycle import OVERLAP, OVERLAP_MAX
from tenants.models import (
    KEY_LIMITS,
    LIMITS,
    NETWORKS_MAX,
    WEIGHTS,
    ApiKey,
    KeyState,
    Scope,
    SearchMode,
    Tenant,
    validate_network,
)
from tenants.requests import StrictSerializer

NAME_LENGTH = 255
SEARCH_SETTINGS = ("search_mode", "language", *(f"{name}_weight" for name in WEIGHTS), "half_life_days")
OPERATORS_ONLY = "Only operators may set it."


def _key_limit() -> serializers.IntegerField:
    return serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=PER_MINUTE_MAX,
        help_text="Of this key, besides the tenant's limit. Left out: none.",
    )


class TenantPatch(StrictSerializer, serializers.ModelSerializer[Tenant]):
    """Settings of a tenant to change; null: the installation's value."""

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.FloatField: NumberField,
    }
    serializer_choice_field = ChoiceField

    search_mode = ChoiceField(
        choices=SearchMode.choices, required=False, allow_null=True, help_text="Null: hybrid."
    )
    suspended = StrictBooleanField(
        required=False, help_text=f"Reads and writes are refused. {OPERATORS_ONLY}"
    )

    class Meta:
        model = Tenant
        fields = [*SEARCH_SETTINGS, "embedding_budget_usd", *LIMITS, "suspended"]

    def validate_search_mode(self, value: str | None) -> str:
        """Stored as an empty text."""
        return value or ""


class TenantIn(TenantPatch):
    """A new tenant; what is left out is the installation's."""

    tenant_id = IdentifierField(source="name", help_text="The tenant_id that callers use, for good.")

    class Meta(TenantPatch.Meta):
        fields = ["tenant_id", *TenantPatch.Meta.fields]


class TenantOut(serializers.ModelSerializer[Tenant]):
    """A tenant with its settings; null: the installation's value counts."""

    tenant_id = serializers.CharField(source="name")
    search_mode = OptionalTextField()
    suspended = serializers.SerializerMethodField()

    class Meta:
        model = Tenant
        fields = [
            "tenant_id",
            "created_at",
            "suspended",
            "suspended_at",
            *SEARCH_SETTINGS,
            "embedding_budget_usd",
            *LIMITS,
        ]

    def get_suspended(self, tenant: Tenant) -> bool:
        """Whether reads and writes are refused."""
        return tenant.suspended_at is not None


class PageIn(StrictSerializer):
    """Which part of a list."""

    limit = serializers.IntegerField(min_value=1, max_value=100, default=50)
    cursor = serializers.CharField(required=False)


class TenantsIn(PageIn):
    """A page of tenants."""

    suspended = serializers.BooleanField(required=False, help_text="Left out: both.")


class TenantsPage(serializers.Serializer[Any]):
    """A page of tenants; `next` is the cursor of the following one, null at the end."""

    tenants = TenantOut(many=True)
    next = serializers.CharField(allow_null=True)


class KeyIn(StrictSerializer):
    """A new key."""

    tenant_id = IdentifierField(required=False, help_text="Whose it is; a tenant's own key need not say.")
    operator = StrictBooleanField(
        default=False, help_text=f"For all tenants, instead of one. {OPERATORS_ONLY}"
    )
    name = serializers.CharField(
        default="", allow_blank=True, max_length=NAME_LENGTH, help_text="Whose key this is."
    )
    scopes = serializers.ListField(
        child=ChoiceField(choices=Scope.choices), allow_empty=False, max_length=len(Scope)
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True, help_text="Left out: never.")
    allowed_networks = serializers.ListField(
        child=serializers.CharField(validators=[validate_network]),
        default=list,
        max_length=NETWORKS_MAX,
        help_text="Where it may be used from: addresses and networks, IPv4 and IPv6. Empty: anywhere.",
    )

    reads_per_minute = _key_limit()
    writes_per_minute = _key_limit()

    def validate_expires_at(self, value: datetime | None) -> datetime | None:
        """Not one that is dead from the beginning."""
        if value is not None and value <= timezone.now():
            raise serializers.ValidationError("Must lie in the future.", code="past")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A tenant's or an operator's."""
        if attrs["operator"] and "tenant_id" in attrs:
            raise serializers.ValidationError("Give either tenant_id or operator.")
        return attrs


class RotateIn(StrictSerializer):
    """How long both keys work."""

    overlap_seconds = serializers.IntegerField(
        default=int(OVERLAP.total_seconds()),
        min_value=0,
        max_value=int(OVERLAP_MAX.total_seconds()),
        help_text="The old key works for so long; 0: it ends at once.",
    )


class KeysIn(PageIn):
    """A page of keys."""

    tenant_id = IdentifierField(required=False, help_text="Left out: of all tenants, and operators' ones.")
    operator = serializers.BooleanField(required=False, help_text="True: operators' keys; false: tenants'.")
    state = ChoiceField(choices=KeyState.choices, required=False, help_text="Left out: all.")


class KeyOut(serializers.ModelSerializer[ApiKey]):
    """A key without its secret, which is kept nowhere."""

    tenant_id = serializers.CharField(source="tenant.name", default=None, allow_null=True)
    operator = serializers.SerializerMethodField(help_text="For all tenants.")
    state = serializers.SerializerMethodField()
    replaces = serializers.CharField(
        source="replaces.prefix",
        default=None,
        allow_null=True,
        help_text="The prefix of the key it was rotated from.",
    )

    class Meta:
        model = ApiKey
        fields = [
            "prefix",
            "tenant_id",
            "operator",
            "name",
            "scopes",
            "allowed_networks",
            *KEY_LIMITS,
            "state",
            "created_at",
            "expires_at",
            "revoked_at",
            "last_used_at",
            "replaces",
        ]

    def get_operator(self, key: ApiKey) -> bool:
        """Whether it is for all tenants."""
        return key.tenant_id is None

    def get_state(self, key: ApiKey) -> KeyState:
        """active, revoked or expired."""
        return key.state(timezone.now())


class IssuedKeyOut(KeyOut):
    """A new key, with its plain text for this once."""

    key = serializers.SerializerMethodField(help_text="The key itself. It is shown now and never again.")

    class Meta(KeyOut.Meta):
        fields = ["key", *KeyOut.Meta.fields]

    def get_key(self, key: ApiKey) -> str:
        """From the serializer's context: the row does not have it."""
        return str(self.context["plain"])


class KeysPage(serializers.Serializer[Any]):
    """A page of keys, the newest first; `next` is the cursor of the following one, null at the end."""

    keys = KeyOut(many=True)
    next = serializers.CharField(allow_null=True)


def settings_in(values: dict[str, Any]) -> dict[str, Any]:
    """Of a valid `TenantPatch` or `TenantIn`: the fields of `Tenant`."""
    return {name: value for name, value in values.items() if name != "suspended"}
