"""Legal holds: placed and released here, never edited and never removed."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from retention import holds
from retention.models import HoldKind, LegalHold
from tenants.admin_filters import ChoiceFilter, TenantFilter
from tenants.admin_pages import RecordAdmin, TenantOwned


class HoldForm(forms.ModelForm):
    """A new hold."""

    def clean(self) -> dict[str, Any]:
        """The database would refuse a second one; here it is said in words."""
        given = super().clean() or {}
        same = {name: given.get(name) for name in ("tenant", "kind", "subject")}
        if given.get("tenant") and LegalHold.objects.filter(**same, released_at=None).exists():
            raise ValidationError("It is under a hold already; release that one first.")
        return given


class StateFilter(ChoiceFilter):
    """Those that hold, and those that do no longer."""

    title = "state"
    parameter_name = "state"
    choices_of = [("holds", "Holds"), ("released", "Released")]
    conditions = {"holds": Q(released_at=None), "released": Q(released_at__isnull=False)}


class KindFilter(ChoiceFilter):
    """By what they hold."""

    title = "kind"
    parameter_name = column = "kind"
    choices_of = HoldKind.choices


@admin.register(LegalHold)
class LegalHoldAdmin(TenantOwned, RecordAdmin):
    """What nobody may lose."""

    form = HoldForm
    list_help = (
        "While a hold is on a user, a conversation or a tenant, nothing of it is edited, deleted or erased, and no "
        "policy touches it. Holds are released, never removed: who held what, and why, stays on record."
    )
    form_help = "A hold begins at once. It is not edited: release it and place another."
    empty_help = "Nothing is held. Place a hold before a dispute is decided, so that nothing of it can leave."
    list_display = [
        "__str__",
        "state",
        "tenant",
        "reason",
        "placed_by",
        "placed_at",
        "released_by",
        "released_at",
    ]
    list_select_related = ["tenant"]
    list_filter = [StateFilter, KindFilter, TenantFilter]
    search_fields = ["=subject", "=tenant__name", "reason"]
    search_help_text = "A whole user, conversation or tenant, or a part of a reason"
    autocomplete_fields = ["tenant"]
    fields = ["tenant", "kind", "subject", "reason"]
    actions = ["release"]

    @display(description="state", label={"holds": "danger", "released": "success"})
    def state(self, hold: LegalHold) -> str:
        """Whether it still holds."""
        return "released" if hold.released_at else "holds"

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
