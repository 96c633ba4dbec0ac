from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db import models
from django.forms import Field
from django.http import HttpRequest

from tenants.models import WEIGHTS, ApiKey, Tenant

# Fields that may be empty, and the installation's setting that then counts.
INSTALLATION = {f"{name}_weight": f"weight_{name}" for name in WEIGHTS} | {"half_life_days": "half_life_days"}


@admin.register(Tenant)
class TenantAdmin(admin.ModelAdmin):
    """The settings of a tenant: docs/api.md tells what they do."""

    list_display = ["name", "search_mode", "language", "created_at", "suspended_at"]
    list_filter = [("language", admin.AllValuesFieldListFilter), ("suspended_at", admin.EmptyFieldListFilter)]
    search_fields = ["name"]
    readonly_fields = ["created_at"]
    fieldsets = [
        (None, {"fields": ["name", "suspended_at", "created_at"]}),
        (
            "Search",
            {
                "fields": [
                    "search_mode",
                    "language",
                    *(f"{name}_weight" for name in WEIGHTS),
                    "half_life_days",
                ],
                "description": "Weights count by their proportions: they are brought to a sum of 1.",
            },
        ),
        ("Embedding", {"fields": ["embedding_budget_usd"]}),
    ]

    def formfield_for_dbfield(
        self, db_field: models.Field, request: HttpRequest, **kwargs: Any
    ) -> Field | None:
        """Says what counts as long as the field is empty."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name in INSTALLATION:
            value = getattr(settings.ENV, INSTALLATION[db_field.name])
            field.help_text = f"Empty: the installation's value, which is {value:g}."
        return field


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin):
    """Keys are issued by `create_key`, which shows the secret once; here they are seen, limited and revoked."""

    list_display = [
        "__str__",
        "tenant",
        "name",
        "scopes",
        "created_at",
        "expires_at",
        "revoked_at",
        "last_used_at",
    ]
    list_select_related = ["tenant"]
    readonly_fields = ["tenant", "created_at", "last_used_at"]

    def has_add_permission(self, request: object) -> bool:
        return False
