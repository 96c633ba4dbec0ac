from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q, QuerySet
from django.forms import Field
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from tenants import lifecycle
from tenants.admin_filters import ChoiceFilter, TenantFilter
from tenants.admin_pages import Audited, TenantOwned
from tenants.audit_actions import AuditAction
from tenants.audit_admin import AuditEventAdmin as AuditEventAdmin  # where Django looks for pages
from tenants.languages import LANGUAGES
from tenants.models import KEY_LIMITS, LIMITS, WEIGHTS, ApiKey, KeyState, Scope, Tenant
from tenants.people_admin import PersonAdmin as PersonAdmin

# Fields that may be empty, and the installation's setting that then counts.
INSTALLATION = {f"{name}_weight": f"weight_{name}" for name in WEIGHTS} | {
    "half_life_days": "half_life_days",
    "reads_per_minute": "rate_limit_reads_per_minute",
    "writes_per_minute": "rate_limit_writes_per_minute",
    "burst_seconds": "rate_limit_burst_seconds",
    "message_quota": "message_quota",
    "byte_quota": "byte_quota",
}


class WritesWhatChanged(TenantOwned, Audited):
    """Of a row that somebody else may be changing, or ending, at the same time."""

    def write(self, obj: Any, form: forms.ModelForm, change: bool) -> None:
        obj.save(update_fields=form.changed_data if change else None)


class SuspendedFilter(ChoiceFilter):
    """By whether it may read and write."""

    title = "state"
    parameter_name = "state"
    choices_of = [("active", "Active"), ("suspended", "Suspended")]
    conditions = {"active": Q(suspended_at=None), "suspended": Q(suspended_at__isnull=False)}


class LanguageFilter(ChoiceFilter):
    """By the language of full text."""

    title = "language"
    parameter_name = column = "language"
    choices_of = [(name, name) for name in LANGUAGES]


@admin.register(Tenant)
class TenantAdmin(WritesWhatChanged):
    """The settings of a tenant: docs/api.md tells what they do."""

    tenant_column = "pk"
    created = AuditAction.TENANT_CREATE
    updated = AuditAction.TENANT_UPDATE
    list_help = (
        "A tenant is one customer of this installation: nobody sees anything across tenants. Its settings "
        "rank its searches and limit what it may store and ask."
    )
    form_help = "What is left empty is the installation's. Delete first says what would go."
    empty_help = "Add the first tenant, then issue an API key for it: with that its bot can store and search."
    list_display = ["name", "state", "language", "created_at"]
    list_filter = [SuspendedFilter, LanguageFilter]
    search_fields = ["name"]
    search_help_text = "A part of a name"
    readonly_fields = ["created_at"]
    fieldsets = [
        (None, {"fields": ["name", "suspended_at", "created_at"]}),
        (
            "Search",
            {
                "classes": ["tab"],
                "fields": [
                    "search_mode",
                    "language",
                    *(f"{name}_weight" for name in WEIGHTS),
                    "half_life_days",
                ],
                "description": "Weights count by their proportions: they are brought to a sum of 1.",
            },
        ),
        ("Embedding", {"classes": ["tab"], "fields": ["embedding_budget_usd"]}),
        (
            "Limits",
            {
                "classes": ["tab"],
                "fields": LIMITS,
                "description": "Refused beyond them, with a reason; nothing that is stored is lost. 0: no limit.",
            },
        ),
    ]

    @display(description="state", label={"active": "success", "suspended": "danger"})
    def state(self, tenant: Tenant) -> str:
        """Whether its reads and writes are let through."""
        return "suspended" if tenant.suspended_at else "active"

    def note(self, action: AuditAction, obj: Tenant, changes: Mapping[str, Any] | None = None) -> None:
        """A suspension by its name, whatever else was changed with it."""
        if "suspended_at" in (changes or {}).get("fields", []):
            action = AuditAction.TENANT_SUSPEND if obj.suspended_at else AuditAction.TENANT_RESUME
        lifecycle.note_tenant(action, obj, changes)

    def formfield_for_dbfield(
        self, db_field: models.Field, request: HttpRequest, **kwargs: Any
    ) -> Field | None:
        """Says what counts as long as the field is empty."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name in INSTALLATION:
            value = getattr(settings.ENV, INSTALLATION[db_field.name])
            said = f"{value:g}" if isinstance(value, float) else f"{value:,}"
            what = db_field.help_text.partition("Empty:")[0]
            field.help_text = f"{what}Empty: the installation's value, which is {said}."
        return field


class KeyForm(forms.ModelForm):
    """What the API refuses is refused here too."""

    scopes = forms.MultipleChoiceField(choices=Scope.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget)

    def clean_expires_at(self) -> datetime | None:
        """A new key is not dead from the beginning; a known one may be ended."""
        value: datetime | None = self.cleaned_data["expires_at"]
        if self.instance.pk is None and value is not None and value <= timezone.now():
            raise ValidationError("Must lie in the future.")
        return value


class StateFilter(ChoiceFilter):
    """Keys that work, and those that do no longer."""

    title = "state"
    parameter_name = "state"
    choices_of = KeyState.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        known = self.value() in KeyState.values
        return ApiKey.objects.in_state(str(self.value()), timezone.now()) & queryset if known else queryset


class OperatorFilter(ChoiceFilter):
    """By how far they reach."""

    title = "reach"
    parameter_name = "reach"
    choices_of = [("operator", "All tenants (operators)"), ("tenant", "One tenant")]
    conditions = {"operator": Q(tenant=None), "tenant": Q(tenant__isnull=False)}


FIELDS = ["tenant", "name", "scopes", "allowed_networks", *KEY_LIMITS, "expires_at"]
SEEN = ["state", "created_at", "revoked_at", "last_used_at", "replaces"]


@admin.register(ApiKey)
class ApiKeyAdmin(WritesWhatChanged):
    """Issue, limit, rotate and revoke keys. A new one is shown on the page that answers, and never again."""

    created = AuditAction.KEY_ISSUE
    updated = AuditAction.KEY_UPDATE
    deleted = AuditAction.KEY_DELETE
    form = KeyForm
    list_help = (
        "Programs show a key with each request; it says which tenant they are of and what they may. A key "
        "is shown once, when it is issued: only a hash of it is kept. Rotate to replace one without an "
        "outage, revoke to end one at once."
    )
    form_help = "A key without a tenant is an operator's: it reaches every tenant. Give each program its own."
    empty_help = "Issue the first key: it is shown once, and with it messages are stored and searched."
    list_display = ["__str__", "state", "name", "owner", "may", "last_used_at", "expires_at", "created_at"]
    list_select_related = ["tenant"]
    list_filter = [StateFilter, TenantFilter, OperatorFilter]
    search_fields = ["prefix", "name", "tenant__name"]
    search_help_text = "A part of a prefix, name or tenant"
    autocomplete_fields = ["tenant"]
    readonly_fields = ["prefix", *SEEN]
    actions = ["rotate", "revoke"]

    def note(self, action: AuditAction, obj: ApiKey, changes: Mapping[str, Any] | None = None) -> None:
        lifecycle.note_key(action, obj, changes)

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        return FIELDS if obj is None else ["prefix", *FIELDS, *SEEN]

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        """Whose a key is does not change."""
        return self.readonly_fields if obj is None else ["tenant", *self.readonly_fields]

    @display(description="state", label={"active": "success", "expired": "warning", "revoked": "danger"})
    def state(self, key: ApiKey) -> str:
        """Whether it works now."""
        return str(key.state(timezone.now()).value)

    @display(description="tenant")
    def owner(self, key: ApiKey) -> str:
        """Whose it is."""
        return str(key.tenant) if key.tenant else "all tenants"

    @display(description="may")
    def may(self, key: ApiKey) -> str:
        """Its scopes."""
        return ", ".join(key.scopes)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: forms.ModelForm, change: bool) -> None:
        """A new one through the use case, which makes its secret."""
        if change:
            super().save_model(request, obj, form, change)
            return
        key, plain = lifecycle.create_key(**form.cleaned_data)
        obj.pk, obj.prefix = key.pk, key.prefix
        request.issued_key = plain  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: Any = None) -> HttpResponse:
        """The secret in the answer itself: a message would carry it through a cookie or the session."""
        issued = [{"key": obj, "plain": request.issued_key}]  # type: ignore[attr-defined]
        return self._show(request, issued)

    @admin.action(
        description="Rotate: new keys with the same rights; the old ones work for a day", permissions=["add"]
    )
    def rotate(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse | None:
        """The new keys on one page; those that cannot be rotated are named."""
        issued = []
        for old in queryset:
            try:
                key, plain = lifecycle.rotate_key(key=old)
            except lifecycle.CannotRotate as error:
                self.message_user(request, f"Not rotated: {old}. {error}", messages.ERROR)
                continue
            issued.append({"key": key, "plain": plain, "old": old})
            self.log_addition(request, key, f"Rotated from {old}.")
        return self._show(request, issued) if issued else None

    @admin.action(description="Revoke for good", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """At once here, in other processes within seconds."""
        for key in queryset:
            self.log_change(request, lifecycle.revoke_key(key=key), "Revoked.")
        self.message_user(request, "Revoked.", messages.SUCCESS)

    def _show(self, request: HttpRequest, issued: list[dict[str, Any]]) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "title": "New API keys", "issued": issued}
        return TemplateResponse(request, "admin/tenants/apikey/issued.html", context | {"opts": self.opts})
