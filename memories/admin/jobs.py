"""Embedding jobs: what waits for its vector, and why."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from memories import caching, replay
from memories.models import EmbeddingJob
from tenants.admin_filters import ChoiceFilter, TenantFilter
from tenants.admin_pages import BoundedPaginator, TenantOwned

DUE, WORKED_ON, BACKS_OFF, BURIED = "due", "being worked on", "backs off", "given up"


class StateFilter(ChoiceFilter):
    """Those that will be done, and those that nobody tries again by itself."""

    title = "state"
    parameter_name = "state"
    choices_of = [("open", "Open"), ("buried", "Given up")]
    conditions = {"open": Q(buried_at=None), "buried": Q(buried_at__isnull=False)}


@admin.register(EmbeddingJob)
class EmbeddingJobAdmin(TenantOwned):
    """What waits for its vector, and why."""

    list_help = (
        "Each stored message waits here until its vector is made, mostly for less than a second. A failing "
        "provider is asked again by itself, for ever; a text that it refuses is given up, with the reason. "
        "Choose rows to try again."
    )
    form_help = "A job ends by itself when the vector is stored. Nothing is changed here by hand."
    empty_help = "Nothing waits for its vector. That is how it should be."
    list_display = ["state", "tenant", "message", "attempts", "error", "next_try", "created_at"]
    list_select_related = ["tenant"]
    list_filter = [StateFilter, TenantFilter]
    # By the primary key, which needs no sorting.
    ordering = ["-tenant_id", "-id"]
    sortable_by = ()
    paginator = BoundedPaginator
    show_full_result_count = False
    search_fields = ["=message_id"]
    search_help_text = "The whole id of a message"
    actions = ["try_again", "hurry", "give_up"]

    @display(
        description="state", label={DUE: "info", WORKED_ON: "primary", BACKS_OFF: "warning", BURIED: "danger"}
    )
    def state(self, job: EmbeddingJob) -> str:
        """What happens to it next."""
        if job.buried_at is not None:
            return BURIED
        if job.next_attempt_at <= timezone.now():
            return DUE
        return BACKS_OFF if job.lease_token is None else WORKED_ON

    @display(description="message")
    def message(self, job: EmbeddingJob) -> SafeString:
        """Leads to it."""
        address = reverse("admin:memories_message_change", args=[job.message_id])
        return format_html(
            '<a href="{}" class="mc-link aml-id" title="{}">{}</a>', address, job.message_id, job.message_id
        )

    @display(description="last error", empty_value="–")
    def error(self, job: EmbeddingJob) -> str | None:
        """Its beginning; the page of the job has all of it."""
        return job.last_error if len(job.last_error) <= 80 else job.last_error[:79] + "…"

    @display(description="next try", empty_value="–")
    def next_try(self, job: EmbeddingJob) -> Any:
        """None for one that was given up."""
        return None if job.buried_at else job.next_attempt_at

    @admin.action(description="Try again those that were given up", permissions=["replay"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[EmbeddingJob]) -> None:
        """Buried ones are due again; open ones are due anyway."""
        replayed = replay.replay(job_ids=_ids(queryset))
        said = f"{replayed} buried jobs are due again. Jobs that are not buried were left alone."
        self.message_user(request, said, messages.SUCCESS if replayed else messages.WARNING)

    @admin.action(description="Try now those that back off", permissions=["replay"])
    def hurry(self, request: HttpRequest, queryset: QuerySet[EmbeddingJob]) -> None:
        """Instead of waiting for their time."""
        hurried = replay.hurry(job_ids=_ids(queryset))
        said = f"{hurried} jobs are tried now. Those given up, due or being worked on were left alone."
        self.message_user(request, said, messages.SUCCESS if hurried else messages.WARNING)

    @admin.action(description="Give up: no vector, found by words alone", permissions=["replay"])
    def give_up(self, request: HttpRequest, queryset: QuerySet[EmbeddingJob]) -> None:
        """Until somebody tries again."""
        reason = f"Given up by {request.user.get_username()}."
        buried = replay.give_up(job_ids=_ids(queryset), reason=reason)
        said = (
            f"{buried} jobs were given up. Their messages are found by words; try them again when you like."
        )
        self.message_user(request, said, messages.SUCCESS if buried else messages.WARNING)

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
        return bool(request.user.has_perm("memories.change_embeddingjob"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Jobs come with their messages."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: EmbeddingJob | None = None) -> bool:
        """A lease changed by hand would let two workers store."""
        return False


def _ids(queryset: QuerySet[EmbeddingJob]) -> list[int]:
    return list(queryset.values_list("id", flat=True))
