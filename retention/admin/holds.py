"""Legal holds: placed and released here, never edited and never removed."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from retention import holds
from retention.models import LegalHold
from tenants.admin_pages import ONE_LINE, RecordAdmin, TenantOwned


class HoldForm(forms.ModelForm):
    """A new hold."""

    def clean(self) -> dict[str, Any]:
        """The database would refuse a second one; here it is said in words."""
        given = super().clean() or {}
        same = {name: given.get(name) for name in ("tenant", "kind", "subject")}
        if given.get("tenant") and LegalHold.objects.filter(**same, released_at=None).exists():
            raise ValidationError("It is under a hold already; release that one first.")
        return given


@admin.register(LegalHold)
class LegalHoldAdmin(TenantOwned, RecordAdmin):
    """What no policy and no erasure touches."""

    form = HoldForm
    list_display = [
        "__str__",
        "tenant",
        "reason",
        "placed_by",
        "placed_at",
        "released_by",
        "released_at",
    ]
    list_select_related = ["tenant"]
    list_filter = ["kind", ("released_at", admin.EmptyFieldListFilter)]
    search_fields = ["=subject", "=tenant__name", "reason"]
    raw_id_fields = ["tenant"]
    formfield_overrides = ONE_LINE
    fields = ["tenant", "kind", "subject", "reason"]
    actions = ["release"]

    def get_fields(self, request: HttpRequest, obj: LegalHold | None = None) -> Any:
        """Who and when are there once it is placed."""
        who = ["placed_by", "placed_at", "released_by", "released_at"]
        return [*self.fields, *(who if obj else [])]

    def save_model(self, request: HttpRequest, obj: LegalHold, form: forms.ModelForm, change: bool) -> None:
        """Through the use case, as the API does."""
        placed = holds.place(
            tenant=obj.tenant,
            kind=obj.kind,
            subject=obj.subject,
            reason=obj.reason,
            by=request.user.get_username(),
        )
        obj.pk, obj._state.adding = placed.pk, False

    @admin.action(description="Release", permissions=["release"])
    def release(self, request: HttpRequest, queryset: QuerySet[LegalHold]) -> None:
        """The policies apply again. Those released already stay as they are."""
        active = list(queryset.filter(released_at=None).select_related("tenant"))
        for hold in active:
            holds.release(tenant=hold.tenant, hold_id=hold.id, by=request.user.get_username())
        said = f"{len(active)} holds are released. The policies apply to what they held."
        self.message_user(request, said, messages.SUCCESS if active else messages.WARNING)

    def has_release_permission(self, request: HttpRequest) -> bool:
        """Those who may change holds; by this action alone."""
        return bool(request.user.has_perm("retention.change_legalhold"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Unlike other records, these are made here."""
        return bool(request.user.has_perm("retention.add_legalhold"))
