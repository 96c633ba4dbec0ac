"""The admin's own people: Django's pages of users, with the tenants that support may see, and with audit events."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from unfold.admin import TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from tenants import audit, people
from tenants.admin_pages import Audited
from tenants.audit_actions import AuditAction
from tenants.support import SupportTenant


class SupportTenantInline(TabularInline):
    """Counts for those in the group `support`."""

    model = SupportTenant
    autocomplete_fields = ["tenant"]
    extra = 0


admin.site.unregister(User)


@admin.register(User)
class PersonAdmin(UserAdmin, Audited):
    """Who may come into the admin, and as what."""

    list_help = (
        "People who may come into this admin. Operators do everything, auditors look at everything, support "
        "looks at the tenants that are chosen on their page; groups say which one somebody is."
    )
    form_help = "Give a group instead of single permissions. Support sees only the tenants listed below."
    empty_help = "Add the first person, and give it a group."
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    created = AuditAction.PERSON_CREATE
    updated = AuditAction.PERSON_UPDATE
    deleted = AuditAction.PERSON_DELETE

    def get_inlines(self, request: HttpRequest, obj: User | None) -> Any:
        """Once there is somebody."""
        return [SupportTenantInline] if obj else []

    def note(self, action: AuditAction, obj: User, changes: Mapping[str, Any] | None = None) -> None:
        people.note(action, obj.pk, changes)

    def save_formset(self, request: HttpRequest, form: forms.ModelForm, formset: Any, change: bool) -> None:
        """Which tenants somebody may see is a change of the person."""
        super().save_formset(request, form, formset, change)
        if formset.has_changed():
            self.note(AuditAction.PERSON_UPDATE, form.instance, audit.fields(["support_tenants"]))

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """A page of its own, beside the form."""
        person = self.get_object(request, unquote(id))
        if person is None:
            raise Http404
        with people.noting_password(person.pk):
            return super().user_change_password(request, id, form_url)
