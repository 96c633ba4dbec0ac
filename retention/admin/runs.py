"""Retention runs: what was done, when, by whom, and for which reasons."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from retention.admin.enforcing import RunActions
from retention.models import RetentionRun, RunStatus
from tenants.admin_filters import ChoiceFilter, DayFilter, TenantFilter
from tenants.admin_pages import RecordAdmin, TenantOwned

COUNTS = [("planned", "kept", "skipped"), ("archived", "restored"), ("deleted", "purged")]


class StatusFilter(ChoiceFilter):
    """By how far they have come."""

    title = "state"
    parameter_name = column = "status"
    choices_of = RunStatus.choices


class KindFilter(ChoiceFilter):
    """By which way the rows went."""

    title = "kind"
    parameter_name = column = "kind"
    choices_of = RetentionRun.Kind.choices


@admin.register(RetentionRun)
class RetentionRunAdmin(RunActions, TenantOwned, RecordAdmin):
    """Runs and restores, the newest first."""

    list_help = (
        "Each row is one time that a tenant's policies were carried out, or that somebody brought back what "
        "they took. Until its grace period is over a run can be undone: choose it, and restore."
    )
    form_help = "What it did, and for which reasons. The messages that it moved are one click away."
    empty_help = (
        "No policy has run yet. Make one, look at its preview, and run it: what leaves can be brought back."
    )
    list_display = ["started_at", "state", "tenant", "kind", "moved", "trigger", "started_by", "duration"]
    list_select_related = ["tenant"]
    list_filter = [StatusFilter, KindFilter, TenantFilter, ("started_at", DayFilter)]
    search_fields = ["=id"]
    search_help_text = "The whole id of a run"
    actions = ["restore_runs"]
    change_form_outer_before_template = "admin/console/run.html"
    fieldsets = [
        (None, {"fields": ["tenant", "kind", ("status", "error"), ("trigger", "started_by")]}),
        ("Times", {"fields": [("decided_at", "started_at", "finished_at"), "duration"]}),
        ("Rows", {"fields": [*COUNTS, "why", "messages"]}),
        ("Undone", {"fields": [("restores", "restored_by")]}),
    ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any
    ) -> HttpResponse:
        """With its progress while it runs, and its undoing afterwards."""
        run = context.get("original")
        if run is not None:
            undoable = run.kind == RetentionRun.Kind.ENFORCE and run.status == RunStatus.DONE
            context["may_undo"] = undoable and not run.restored_by and self.has_enforce_permission(request)
            context["running"] = run.status == RunStatus.RUNNING
        return super().render_change_form(request, context, *args, **options)

    @display(description="state", label={"done": "success", "running": "info", "failed": "danger"})
    def state(self, run: RetentionRun) -> str:
        """How far it has come."""
        return run.status

    @admin.display(description="moved", empty_value="nothing")
    def moved(self, run: RetentionRun) -> str | None:
        """What it did, in numbers that are not 0."""
        counts = [(getattr(run, name), name) for name in ("archived", "deleted", "purged", "restored")]
        return ", ".join(f"{count:,} {name}" for count, name in counts if count) or None

    @admin.display(description="duration", empty_value="–")
    def duration(self, run: RetentionRun) -> str | None:
        """None while it runs."""
        if run.finished_at is None:
            return None
        seconds = (run.finished_at - run.started_at).total_seconds()
        return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"

    @admin.display(description="reasons")
    def why(self, run: RetentionRun) -> SafeString:
        """Counts by action, policy and reason."""
        names = ("action", "policy", "reason", "rows")
        rows = [tuple(group.get(name, "") for name in names) for group in run.reasons]
        return format_html(
            '<table class="aml-table"><thead><tr><th>Action</th><th>Policy</th><th>Reason</th><th>Rows</th></tr>'
            "</thead>{}</table>",
            format_html_join("", "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", rows),
        )

    @admin.display(description="messages")
    def messages(self, run: RetentionRun) -> SafeString:
        """Links to what it archived or deleted, as far as that is still in the archive."""
        page = reverse("admin:memories_archivedmessage_changelist")
        links = [
            (f"{page}?{urlencode({'tenant_id__exact': run.tenant_id, f'{column}__exact': run.id})}", words)
            for column, words in (("archived_by", "that left the memory"), ("deleted_by", "that it deleted"))
        ]
        return format_html_join(" · ", '<a href="{}" class="mc-link">{}</a>', links)
