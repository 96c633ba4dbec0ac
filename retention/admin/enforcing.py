"""What the admin does with runs: preview and run policies, bring back what runs and policies took."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from memories.models import ArchivedMessage
from retention import enforce, restoring, runs, tasks
from retention.models import RetentionPolicy, RetentionRun
from retention.preview import Preview, preview
from tenants import audit
from tenants.audit_actions import AuditAction
from tenants.models import Tenant

# Pages begin runs, and a worker does them.
SECONDS = 0.0


def may_enforce(person: Any) -> bool:
    """Those who may make runs."""
    return bool(person.has_perm("retention.add_retentionrun"))


def to_progress(run: RetentionRun) -> HttpResponse:
    """Have a worker do a run that was begun, and show how far it is."""
    transaction.on_commit(tasks.wake)
    return redirect("admin:retention_retentionrun_change", run.id)


def note_look(said: Preview, *, tenant_id: int) -> None:
    """That somebody saw a preview: its examples begin as the messages do."""
    if rows := sum(len(group.examples) for group in said.groups):
        audit.record(AuditAction.CONTENT_VIEW, tenant_id=tenant_id, of="preview", changes={"rows": rows})


def undo(run: RetentionRun, person: Any) -> RetentionRun:
    """Begin the run that brings back what this one took. Raises as restoring.restore_run()."""
    return restoring.restore_run(
        tenant=run.tenant,
        run_id=run.id,
        trigger="admin",
        started_by=person.get_username(),
        seconds=SECONDS,
    )


class Enforcing:
    """Who may do all that follows."""

    def has_enforce_permission(self, request: HttpRequest) -> bool:
        """As for everything that makes runs."""
        return may_enforce(request.user)


class PolicyActions(Enforcing):
    """Actions on policies. Those of a tenant that are not chosen still stand before the chosen ones."""

    @admin.action(description="Preview a run of these", permissions=["enforce"])
    def preview_run(self, request: HttpRequest, queryset: QuerySet[RetentionPolicy]) -> HttpResponse:
        """A page that says what would happen, from where it can be done."""
        chosen = _by_tenant(queryset)
        previews = {tenant: preview(tenant=tenant, policy_ids=ids) for tenant, ids in chosen.items()}
        for tenant, said in previews.items():
            note_look(said, tenant_id=tenant.id)
        context = {
            **admin.site.each_context(request),
            "title": "Preview",
            "previews": [{"tenant": tenant, "preview": said} for tenant, said in previews.items()],
            "selected": [policy_id for ids in chosen.values() for policy_id in ids],
            "checkbox": ACTION_CHECKBOX_NAME,
            "may_run": self.has_enforce_permission(request),
        }
        return TemplateResponse(request, "admin/retention/preview.html", context)

    @admin.action(description="Run these now", permissions=["enforce"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[RetentionPolicy]) -> HttpResponse | None:
        """One run a tenant."""
        begun: list[RetentionRun] = []
        for tenant, ids in _by_tenant(queryset).items():
            try:
                row = enforce.run(
                    tenant=tenant,
                    trigger="admin",
                    started_by=request.user.get_username(),
                    policy_ids=ids,
                    seconds=SECONDS,
                )
            except runs.Busy as error:
                messages.error(request, f"Nothing done for {tenant}: {error}")
                continue
            begun.append(row)
        return _shown(request, begun)


class RunActions(Enforcing):
    """Actions on runs."""

    @admin.action(description="Restore what these runs took", permissions=["enforce"])
    def restore_runs(self, request: HttpRequest, queryset: QuerySet[RetentionRun]) -> HttpResponse | None:
        """The newest first: what an older run archived may have been deleted by a newer one."""
        begun: list[RetentionRun] = []
        for undone in queryset.select_related("tenant").order_by("-started_at"):
            try:
                row = undo(undone, request.user)
            except (runs.Busy, restoring.CannotRestore) as error:
                messages.error(
                    request, f"{undone.tenant}, run of {undone.started_at:%Y-%m-%d %H:%M}: {error}"
                )
                continue
            begun.append(row)
        return _shown(request, begun)


class ArchiveActions(Enforcing):
    """Actions on archived messages."""

    @admin.action(description="Restore these messages", permissions=["enforce"])
    def restore_messages(
        self, request: HttpRequest, queryset: QuerySet[ArchivedMessage]
    ) -> HttpResponse | None:
        """Back to the memory as they were."""
        begun: list[RetentionRun] = []
        chosen: dict[Tenant, list[ArchivedMessage]] = {}
        for message in queryset.select_related("tenant"):
            chosen.setdefault(message.tenant, []).append(message)
        for tenant, rows in chosen.items():
            try:
                row = restoring.restore_messages(
                    tenant=tenant,
                    trigger="admin",
                    started_by=request.user.get_username(),
                    message_ids=[message.id for message in rows],
                    seconds=SECONDS,
                )
            except runs.Busy as error:
                messages.error(request, f"Nothing done for {tenant}: {error}")
                continue
            begun.append(row)
        return _shown(request, begun)


def _by_tenant(policies: Iterable[RetentionPolicy]) -> dict[Tenant, list[int]]:
    chosen: dict[Tenant, list[int]] = {}
    for policy in policies:
        chosen.setdefault(policy.tenant, []).append(policy.id)
    return chosen


def _shown(request: HttpRequest, begun: Sequence[RetentionRun]) -> HttpResponse | None:
    """One run's own page, or of several the list."""
    if not begun:
        return None
    if len(begun) == 1:
        return to_progress(begun[0])
    transaction.on_commit(tasks.wake)
    messages.success(request, f"{len(begun)} runs are under way: open one to see how far it is.")
    return redirect("admin:retention_retentionrun_changelist")
