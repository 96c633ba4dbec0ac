"""Retention runs: what was done, when, by whom, and for which reasons."""

from datetime import timedelta
from urllib.parse import urlencode

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from retention.admin.enforcing import RunActions
from retention.models import RetentionRun
from tenants.admin_pages import RecordAdmin, TenantOwned

COUNTS = ("planned", "archived", "deleted", "purged", "restored", "kept", "skipped")


@admin.register(RetentionRun)
class RetentionRunAdmin(RunActions, TenantOwned, RecordAdmin):
    """Runs and restores, the newest first."""

    list_display = [
        "started_at",
        "tenant",
        "kind",
        "status",
        "trigger",
        "started_by",
        "archived",
        "deleted",
        "purged",
        "restored",
        "duration",
    ]
    list_select_related = ["tenant"]
    list_filter = ["status", "kind", "trigger"]
    search_fields = ["=tenant__name", "=id"]
    actions = ["restore_runs"]
    fieldsets = [
        (None, {"fields": ["tenant", "kind", ("status", "error"), ("trigger", "started_by")]}),
        ("Times", {"fields": [("decided_at", "started_at", "finished_at"), "duration"]}),
        ("Rows", {"fields": [COUNTS, "why", "messages"]}),
        ("Undone", {"fields": [("restores", "restored_by")]}),
    ]

    @admin.display(description="duration")
    def duration(self, run: RetentionRun) -> timedelta | None:
        """None while it runs."""
        return None if run.finished_at is None else run.finished_at - run.started_at

    @admin.display(description="reasons")
    def why(self, run: RetentionRun) -> SafeString:
        """Counts by action, policy and reason."""
        names = ("action", "policy", "reason", "rows")
        rows = [tuple(group.get(name, "") for name in names) for group in run.reasons]
        return format_html(
            "<table><thead><tr><th>Action</th><th>Policy</th><th>Reason</th><th>Rows</th></tr></thead>{}</table>",
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
        return format_html_join(" · ", '<a href="{}">{}</a>', links)
