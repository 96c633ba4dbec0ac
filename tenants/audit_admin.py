"""The audit trail: read, filtered, searched, and nothing else."""

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest

from tenants.admin_filters import ChoiceFilter, DayFilter, TenantFilter
from tenants.admin_pages import RecordAdmin, TenantOwned
from tenants.audit_actions import ActorKind, AuditAction
from tenants.audit_event import AuditEvent
from tenants.models import Tenant


class ActionFilter(ChoiceFilter):
    """By what was done."""

    title = "action"
    parameter_name = column = "action"
    choices_of = AuditAction.choices


class ActorFilter(ChoiceFilter):
    """By who did it."""

    title = "actor"
    parameter_name = column = "actor_kind"
    choices_of = ActorKind.choices


@admin.register(AuditEvent)
class AuditEventAdmin(TenantOwned, RecordAdmin):
    """Who did what, the newest first."""

    list_help = (
        "Who did what, when: changes by keys, people, commands and the schedule, and each look at content. "
        "Names of fields and counts only, never what was said. Nobody can change or remove a row."
    )
    form_help = "One event, as it was written in the same transaction as what it tells of."
    empty_help = "Nothing was changed yet. The first tenant or key is the first event."
    list_display = ["when", "action", "tenant", "who", "what", "changed"]
    list_filter = [ActionFilter, ActorFilter, TenantFilter, ("at", DayFilter)]
    sortable_by = ()
    fields = [
        ("when", "action"),
        "tenant",
        ("actor_kind", "actor"),
        "request_id",
        ("object_kind", "object_id"),
        "changes",
    ]
    readonly_fields = ["tenant", "when"]
    # What is searched, get_search_results() says; without this there would be no box.
    search_fields = ["object_id"]
    search_help_text = "A whole object id, actor or tenant, exactly as it is written."

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEvent]:
        """With the names of those tenants that are still there."""
        names = Tenant.objects.filter(pk=OuterRef("tenant_id")).values("name")
        rows: QuerySet[AuditEvent] = super().get_queryset(request)
        return rows.annotate(tenant_name=Subquery(names[:1]))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By equality, each of which has its index."""
        if not (term := search_term.strip()):
            return queryset, False
        tenants = Tenant.objects.filter(name=term).values_list("pk", flat=True)
        return queryset.filter(Q(object_id=term) | Q(actor=term) | Q(tenant_id__in=list(tenants))), False

    @admin.display(description="who")
    def who(self, event: AuditEvent) -> str:
        """The kind of actor, and its name."""
        return f"{event.actor_kind}: {event.actor}"

    @admin.display(description="changes", empty_value="–")
    def changed(self, event: AuditEvent) -> str | None:
        """Names and counts, as one reads them."""
        pairs = [
            f"{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}"
            for name, value in event.changes.items()
        ]
        return "; ".join(pairs) or None

    @admin.display(description="what")
    def what(self, event: AuditEvent) -> str:
        """The kind of object, and its id."""
        return f"{event.object_kind} {event.object_id}".strip()

    @admin.display(description="at", ordering="at")
    def when(self, event: AuditEvent) -> str:
        """To the millisecond: what came first matters."""
        return event.at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]

    @admin.display(description="tenant", empty_value="the installation")
    def tenant(self, event: AuditEvent) -> str | None:
        """Its name; the number of one that is gone."""
        name: str | None = getattr(event, "tenant_name", None)
        return name if name or event.tenant_id is None else f"gone ({event.tenant_id})"
