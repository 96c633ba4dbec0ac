"""Messages: read, browsed, edited and deleted through the use cases. The list is in `message_list`."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from rest_framework.exceptions import ValidationError as ApiValidationError
from unfold.widgets import UnfoldAdminTextareaWidget

from memories import ingest, legal_holds, message_pages, quotas
from memories.admin.message_list import MessageList
from memories.fields import BoundedTextField, MetadataField
from memories.models import Message
from memories.serializers import CONTENT_BYTES
from tenants.admin_pages import ShowsContent, TenantOwned


class MetadataForm(forms.ModelForm):
    """What the API refuses is refused here too."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if "metadata" in self.fields:
            self.fields["metadata"].widget.attrs["rows"] = 3

    def clean_metadata(self) -> dict[str, Any]:
        """An object within the API's limits; an emptied box is an empty object."""
        value = self.cleaned_data["metadata"]
        try:
            return MetadataField().to_internal_value({} if value is None else value)
        except ApiValidationError as error:
            raise ValidationError([str(detail) for detail in error.detail]) from error


class TextField(forms.CharField):
    """What was said, as it is: a browser sends every line end as two characters, and that is no edit."""

    def to_python(self, value: Any) -> str:
        """Line ends as programs write them."""
        return str(super().to_python(value)).replace("\r\n", "\n")

    def has_changed(self, initial: Any, data: Any) -> bool:
        """A form that was sent without the text leaves it alone."""
        return data is not None and self.to_python(data) != self.to_python(initial)


class MessageForm(MetadataForm):
    """What may change of a message."""

    content = TextField(
        required=False,
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text="Another text is embedded again, and scored anew unless its importance was given.",
    )

    def clean_content(self) -> str:
        """Within the API's limits; the stored one where nothing else was said."""
        if "content" not in self.changed_data:
            return self.instance.content
        try:
            return str(BoundedTextField(max_bytes=CONTENT_BYTES).run_validation(self.cleaned_data["content"]))
        except ApiValidationError as error:
            raise ValidationError([str(detail) for detail in error.detail]) from error

    def full_clean(self) -> None:
        """Edits the message too, as the last check of all: what only the write can tell, such as a quota or a hold, is
        then an error of this form like any other. What fails after it undoes it, since a page is one transaction.
        """
        super().full_clean()
        if not self.is_bound or self.errors or not self.changed_data:
            return
        changes = {name: self.cleaned_data[name] for name in self.changed_data}
        try:
            # Through the use case: the row as the page read it may be stale.
            ingest.edit(tenant=self.instance.tenant, message_id=self.instance.id, changes=changes)
        except (quotas.QuotaExceeded, legal_holds.Held) as error:
            self.add_error("content" if "content" in changes else "metadata", str(error))
            self.instance.refresh_from_db(fields=changes)  # beside the form stands what is stored
        except Message.DoesNotExist as error:
            raise Http404 from error


@admin.register(Message)
class MessageAdmin(MessageList, TenantOwned, ShowsContent):
    """One message in its conversation: why it matters, how it is embedded, and what was done to it."""

    form = MessageForm
    change_form_outer_before_template = "admin/console/message.html"
    fields = [
        "content",
        ("importance", "importance_is_explicit", "pinned"),
        "metadata",
        ("tenant", "conversation_id"),
        ("role", "name"),
        ("user_id", "agent_id", "external_id"),
        ("created_at", "stored_at"),
        "word_count",
        "id",
    ]
    readonly_fields = [
        "id",
        "tenant",
        "conversation_id",
        "role",
        "name",
        "user_id",
        "agent_id",
        "external_id",
        "importance_is_explicit",
        "word_count",
        "created_at",
        "stored_at",
    ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any
    ) -> HttpResponse:
        """With its neighbours, which are looked at too."""
        if (message := context.get("original")) is not None:
            context["panels"] = beside = message_pages.panels(request, message)
            context["rows_shown"] = len(beside["transcript"].lines)
        return super().render_change_form(request, context, *args, **options)

    def save_model(self, request: HttpRequest, obj: Message, form: forms.ModelForm, change: bool) -> None:
        """The form has done it."""

    def delete_model(self, request: HttpRequest, obj: Message) -> None:
        """Through the use case."""
        ingest.delete(tenant=obj.tenant, message_id=obj.id)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> None:
        """All of them or none: an action is one transaction."""
        for message in queryset.select_related("tenant").order_by("id"):
            ingest.delete(tenant=message.tenant, message_id=message.id)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Back to the message, with the reason, if a legal hold is on it."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except legal_holds.Held as error:
            self.message_user(request, f"Nothing deleted: {error}", messages.ERROR)
            return redirect("admin:memories_message_change", object_id)

    def response_action(self, request: HttpRequest, queryset: QuerySet[Message]) -> HttpResponse | None:
        """All that an action does or nothing, its history in the admin included. None leads back to the list."""
        try:
            with transaction.atomic():
                return super().response_action(request, queryset)
        except legal_holds.Held as error:
            self.message_user(request, f"Nothing deleted: {error}", messages.ERROR)
            return None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Messages come in through the API, which scores them and makes their jobs."""
        return False
