"""What the admin's pages of all rooms have in common.

Records are looked at, and their number is not counted to the end. What is changed by hand, and each look at content, is
in the audit trail.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from django import forms
from django.contrib.postgres.fields import ArrayField
from django.core.paginator import Paginator
from django.db import models, transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from tenants import audit, support
from tenants.audit_actions import AuditAction
from tenants.models import Tenant

# Nobody turns to page 101, and counting a million rows takes longer than finding a hundred.
COUNTED = 10_000
# Names, ids, reasons and lists of words: their columns have no limit, but nobody writes a second line.
WIDGETS: "Mapping[type[models.Field[Any, Any]], Mapping[str, Any]]" = {
    models.TextField: {"widget": UnfoldAdminTextInputWidget},
    ArrayField: {"widget": UnfoldAdminTextInputWidget},
    models.JSONField: {"widget": UnfoldAdminTextareaWidget({"rows": 4})},
}


class BoundedPaginator(Paginator):
    """Counts no further than COUNTED; the rows after that are found by filters and by search."""

    @cached_property
    def count(self) -> int:
        """How many rows, or COUNTED."""
        rows: Any = self.object_list
        return int(rows[:COUNTED].count())

    @property
    def at_its_end(self) -> bool:
        """Whether there may be more than `count`."""
        return self.count == COUNTED


class Page(ModelAdmin):
    """The look of all of them, and what each says of itself in plain words."""

    list_help = ""
    form_help = ""
    # Said where a list is empty: what to do first.
    empty_help = ""
    list_before_template = "admin/list_help.html"
    change_form_before_template = "admin/form_help.html"
    list_per_page = 50
    formfield_overrides = WIDGETS
    list_filter_submit = True
    warn_unsaved_form = True


class TenantOwned(Page):
    """Rows of tenants. Who is bound to some (`tenants.support`) finds no others: in no list, page, action or choice."""

    tenant_column = "tenant_id"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Everything on these pages starts from here."""
        return support.visible(super().get_queryset(request), request.user, column=self.tenant_column)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """404 for what is not there; Django would lead to the front page."""
        found = super().get_object(request, object_id, from_field)
        if found is None:
            raise Http404
        return found

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Who is bound chooses one of its tenants, not the installation.

        From a list: Django's box for a number would show the name of whatever tenant was asked for.
        """
        if db_field.related_model is Tenant and support.is_bound(request.user):
            options["queryset"] = support.visible(Tenant.objects.all(), request.user, column="pk")
            options |= {"required": True, "widget": UnfoldAdminSelectWidget()}
        return super().formfield_for_foreignkey(db_field, request, **options)


class RecordAdmin(Page):
    """Rows that are written by what happens, and never by hand."""

    paginator = BoundedPaginator
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """They come by themselves."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """A record that can be edited proves nothing."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nor does one that can be removed."""
        return False


class Audited(Page):
    """Rows that are made, changed and removed by hand: each with its event, in one transaction."""

    created: AuditAction
    updated: AuditAction
    deleted: AuditAction

    def note(self, action: AuditAction, obj: Any, changes: Mapping[str, Any] | None = None) -> None:
        """Record it as the use cases of this kind of row do."""
        raise NotImplementedError

    def write(self, obj: Any, form: forms.ModelForm, change: bool) -> None:
        """Store it."""
        obj.save()

    def save_model(self, request: HttpRequest, obj: Any, form: forms.ModelForm, change: bool) -> None:
        with transaction.atomic():
            changed = _changed(obj, form.changed_data) if change else []
            self.write(obj, form, change)
            if not change:
                self.note(self.created, obj)
            elif changed:
                self.note(self.updated, obj, audit.fields(changed))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        with transaction.atomic():
            self.note(self.deleted, obj)
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            for obj in queryset:
                self.note(self.deleted, obj)
            super().delete_queryset(request, queryset)


def _changed(obj: Any, names: Iterable[str]) -> list[str]:
    """Those of a form's fields that are not as they are stored; forms take `{}` for a change."""
    stored = type(obj)._default_manager.get(pk=obj.pk)
    of_others = {field.name for field in obj._meta.many_to_many}  # stored after the row
    return [name for name in names if name in of_others or getattr(stored, name) != getattr(obj, name)]


class ShowsContent(Page):
    """Pages with what end users said: that somebody looks at them is noted before they are shown."""

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any
    ) -> HttpResponse:
        """One row, whole, and so many others as `rows_shown` of the context says."""
        if (obj := context.get("original")) is not None:
            changes = {"rows": context["rows_shown"]} if "rows_shown" in context else None
            self._note_look(obj.tenant_id, id=obj.id, changes=changes)
        return super().render_change_form(request, context, *args, **options)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A page of rows, each with its beginning."""
        answer = super().changelist_view(request, extra_context)
        listing = (getattr(answer, "context_data", None) or {}).get("cl")
        shown = listing.result_list if listing else []
        if seen := Counter(row.tenant_id for row in shown):
            changes = {tenant_id: {"rows": rows} for tenant_id, rows in seen.items()}
            audit.record_each(AuditAction.CONTENT_VIEW, of=self.opts.model_name or "", changes=changes)
        return answer

    def _note_look(self, tenant_id: int, **what: Any) -> None:
        audit.record(AuditAction.CONTENT_VIEW, tenant_id=tenant_id, of=self.opts.model_name or "", **what)
