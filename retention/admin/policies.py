"""Retention policies: which messages, under which rules, what becomes of them, and when."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule
from unfold.decorators import display

from memories.admin import MetadataForm
from retention import cron, rules
from retention.admin.enforcing import PolicyActions
from retention.effective import as_policy
from retention.models import Action, RetentionPolicy, RetentionSlot
from retention.slots import next_slot
from tenants.admin_filters import ChoiceFilter, TenantFilter
from tenants.admin_pages import Audited, TenantOwned
from tenants.audit_actions import AuditAction


class PolicyForm(MetadataForm):
    """What the API refuses is refused here too."""

    def clean_crontab(self) -> CrontabSchedule | None:
        """Beat's form takes crontabs that never fire."""
        crontab = self.cleaned_data["crontab"]
        if crontab is None:
            return None
        now = timezone.now()
        try:
            read = cron.parse(cron.text_of(crontab))
        except ValueError as error:
            raise ValidationError(f"Choose another crontab: {error}.") from error
        if next_slot(read, after=now, anchor=now) is None:
            raise ValidationError("Choose another crontab: it does not fire in the next eight years.")
        return crontab


class EnabledFilter(ChoiceFilter):
    """By whether runs ask it."""

    title = "state"
    parameter_name = "state"
    choices_of = [("on", "On"), ("off", "Off")]
    conditions = {"on": Q(enabled=True), "off": Q(enabled=False)}


class ActionFilter(ChoiceFilter):
    """By what becomes of the messages."""

    title = "action"
    parameter_name = column = "action"
    choices_of = Action.choices


@admin.register(RetentionPolicy)
class RetentionPolicyAdmin(PolicyActions, TenantOwned, Audited):
    """The order of the list is the order in which a tenant's policies are asked."""

    created = AuditAction.POLICY_CREATE
    updated = AuditAction.POLICY_UPDATE
    deleted = AuditAction.POLICY_DELETE
    form = PolicyForm
    list_help = (
        "A policy says which messages leave the memory, and when. Of a tenant's policies the first that "
        "fits a message decides; the order here is theirs. Pinned and held messages always stay, and what "
        "leaves can come back."
    )
    form_help = "Look at the preview before you save: it says what would go now, and changes nothing."
    empty_help = "Without a policy of its own a tenant has the installation's. Add one to decide otherwise."
    list_display = ["name", "tenant", "on", "priority", "action", "rules", "schedule", "next_run"]
    list_select_related = ["tenant", "interval", "crontab"]
    list_filter = [EnabledFilter, ActionFilter, TenantFilter]
    search_fields = ["name", "=tenant__name", "=user_id"]
    search_help_text = "A part of a name, or a whole tenant or user"
    ordering = ["tenant__name", "priority", "id"]
    autocomplete_fields = ["tenant"]
    actions = ["preview_run", "run_now"]
    change_form_outer_after_template = "admin/console/policy_preview.html"
    readonly_fields = ["next_run", "previewed_at", "created_at", "updated_at"]
    fieldsets = [
        (None, {"fields": ["tenant", "name", "enabled", "priority"]}),
        (
            "Scope",
            {
                "fields": ["conversation_prefix", "role", "user_id", "agent_id", "metadata"],
                "description": "Which messages it is about. What is left empty does not narrow it.",
            },
        ),
        (
            "Rules",
            {
                "fields": ["older_than_days", "importance_below", "not_recalled_for_days", "keep_newest"],
                "description": "A message must meet all that are given. Pinned and held messages are never touched.",
            },
        ),
        ("Action", {"fields": ["action", "delete_archived_after_days"]}),
        (
            "Schedule",
            {
                "fields": ["interval", "crontab"],
                "description": "One of both; neither: the installation's. The first run is the next slot.",
            },
        ),
    ]
    record = ("Record", {"fields": ["next_run", "previewed_at", "created_at", "updated_at"]})

    def get_queryset(self, request: HttpRequest) -> QuerySet[RetentionPolicy]:
        """With the slot of each."""
        slots = RetentionSlot.objects.filter(tenant_id=OuterRef("tenant_id"), policy_id=OuterRef("pk"))
        rows: QuerySet[RetentionPolicy] = super().get_queryset(request)
        return rows.annotate(slot_at=Subquery(slots.values("next_at")[:1]))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any
    ) -> HttpResponse:
        """With what it would do beside it."""
        context["may_run"] = self.has_enforce_permission(request)
        return super().render_change_form(request, context, *args, **options)

    def note(
        self, action: AuditAction, obj: RetentionPolicy, changes: Mapping[str, Any] | None = None
    ) -> None:
        rules.note(action, obj, changes)

    def get_fieldsets(self, request: HttpRequest, obj: RetentionPolicy | None = None) -> Any:
        """A new one has no record yet."""
        return [*self.fieldsets, *([self.record] if obj else [])]

    def get_readonly_fields(self, request: HttpRequest, obj: RetentionPolicy | None = None) -> list[str]:
        """A policy does not move to another tenant, whose messages it was not made for."""
        return [*self.readonly_fields, *(["tenant"] if obj else [])]

    @display(description="state", label={"on": "success", "off": "warning"})
    def on(self, policy: RetentionPolicy) -> str:
        """Whether runs ask it."""
        return "on" if policy.enabled else "off"

    @admin.display(description="rules")
    def rules(self, policy: RetentionPolicy) -> str:
        """In words, as in the reasons of runs."""
        return as_policy(policy).reason

    @admin.display(description="schedule")
    def schedule(self, policy: RetentionPolicy) -> str:
        """In words."""
        own = policy.interval or policy.crontab
        return "the installation's" if own is None else str(own)

    @admin.display(description="next run")
    def next_run(self, policy: RetentionPolicy) -> Any:
        """Within a minute after a change of schedule."""
        slot = getattr(policy, "slot_at", None)
        return slot and f"{slot:%Y-%m-%d %H:%M}"
