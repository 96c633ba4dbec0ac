from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from rest_framework.exceptions import ValidationError as ApiValidationError

from memories import caching, ingest, quotas, reembedding, replay
from memories.fields import MetadataField
from memories.models import EmbeddingJob, EmbeddingSpace, Message
from tenants.admin_pages import ShowsContent, TenantOwned


class MetadataForm(forms.ModelForm):
    """What the API refuses is refused here too."""

    def clean_metadata(self) -> dict[str, Any]:
        """An object within the API's limits; an emptied box is an empty object."""
        value = self.cleaned_data["metadata"]
        try:
            return MetadataField().to_internal_value({} if value is None else value)
        except ApiValidationError as error:
            raise ValidationError([str(detail) for detail in error.detail]) from error


@admin.register(Message)
class MessageAdmin(TenantOwned, ShowsContent):
    """Read and browse. Text is changed through the API, which embeds it again."""

    form = MetadataForm
    list_display = [
        "created_at",
        "short_content",
        "role",
        "name",
        "conversation_id",
        "tenant",
        "importance",
        "pinned",
    ]
    list_select_related = ["tenant"]
    list_filter = ["role", "pinned"]
    raw_id_fields = ["tenant"]
    show_full_result_count = False
    search_fields = ["=id", "=conversation_id", "=external_id", "=user_id"]
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
        "content",
        "importance_is_explicit",
        "word_count",
        "created_at",
        "stored_at",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        """Without the index document, which no page shows."""
        return super().get_queryset(request).defer("document")

    def save_model(self, request: HttpRequest, obj: Message, form: forms.ModelForm, change: bool) -> None:
        """Through the use case: the row as the page read it may be stale."""
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        if changes:
            try:
                ingest.edit(tenant=obj.tenant, message_id=obj.id, changes=changes)
            except quotas.QuotaExceeded as error:
                raise PermissionDenied(str(error)) from error

    def delete_model(self, request: HttpRequest, obj: Message) -> None:
        """Through the use case."""
        ingest.delete(tenant=obj.tenant, message_id=obj.id)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> None:
        """All of them or none."""
        with transaction.atomic():
            for message in queryset.select_related("tenant").order_by("id"):
                ingest.delete(tenant=message.tenant, message_id=message.id)

    @admin.display(description="content")
    def short_content(self, message: Message) -> str:
        """Enough to recognise it by."""
        return message.content if len(message.content) <= 80 else message.content[:79] + "…"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Messages come in through the API, which scores them and makes their jobs."""
        return False


@admin.register(EmbeddingJob)
class EmbeddingJobAdmin(TenantOwned):
    """What waits for its vector, and why."""

    list_display = [
        "created_at",
        "tenant",
        "message_id",
        "attempts",
        "next_attempt_at",
        "buried_at",
        "last_error",
    ]
    list_select_related = ["tenant"]
    list_filter = [("buried_at", admin.EmptyFieldListFilter)]
    show_full_result_count = False
    search_fields = ["=message_id"]
    actions = ["try_again"]

    @admin.action(description="Try again", permissions=["replay"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[EmbeddingJob]) -> None:
        """Buried ones are due again; open ones are due anyway."""
        replayed = replay.replay(job_ids=list(queryset.values_list("id", flat=True)))
        said = f"{replayed} buried jobs are due again. Jobs that are not buried were left alone."
        self.message_user(request, said, messages.SUCCESS if replayed else messages.WARNING)

    def delete_model(self, request: HttpRequest, obj: EmbeddingJob) -> None:
        """An answer's embedding_status comes from it: remembered ones end."""
        super().delete_model(request, obj)
        caching.forget_answers([obj.tenant_id])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[EmbeddingJob]) -> None:
        tenant_ids = set(queryset.values_list("tenant_id", flat=True))
        super().delete_queryset(request, queryset)
        caching.forget_answers(tenant_ids)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Who may see jobs need not be somebody who may spend the provider's time on them."""
        return request.user.has_perm("memories.change_embeddingjob")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Jobs come with their messages."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: EmbeddingJob | None = None) -> bool:
        """A lease changed by hand would let two workers store."""
        return False


@admin.register(EmbeddingSpace)
class EmbeddingSpaceAdmin(admin.ModelAdmin):
    """Which models made the stored vectors, and which of them searches read."""

    list_display = ["id", "provider", "model", "dimensions", "active", "created_at"]
    readonly_fields = ["fullness"]
    actions = ["search_with"]

    @admin.display(description="how full it is")
    def fullness(self, space: EmbeddingSpace) -> str:
        """Counted over all messages, so on this page only."""
        now = reembedding.progress(space)
        return f"{now.embedded} of {now.messages} messages; {now.missing} missing, of which {now.buried} given up"

    @admin.action(description="Search with this space", permissions=["switch"])
    def search_with(self, request: HttpRequest, queryset: QuerySet[EmbeddingSpace]) -> None:
        """Refused with the reason while the space is not complete."""
        if len(spaces := list(queryset)) != 1:
            self.message_user(request, "Choose one space.", messages.ERROR)
            return
        try:
            reembedding.switch(spaces[0])
        except reembedding.CannotSwitch as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, f"Searches read {spaces[0]} now.")

    def has_switch_permission(self, request: HttpRequest) -> bool:
        """Those who may change spaces; by this action alone, never by hand."""
        return bool(request.user.has_perm("memories.change_embeddingspace"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Made from the settings at first use."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: EmbeddingSpace | None = None) -> bool:
        """Vectors would silently be compared with those of another model."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: EmbeddingSpace | None = None) -> bool:
        """Its vectors would go along."""
        return False
