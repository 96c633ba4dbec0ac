"""Tenants with what they use: the page of `tenants.admin`, which knows nothing of messages, and the numbers of ours."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from memories import costs, quotas
from memories.admin_addresses import erasing
from memories.models import Corpus, EmbeddingUsage
from tenants.admin import TenantAdmin
from tenants.models import Tenant

admin.site.unregister(Tenant)


@admin.register(Tenant)
class TenantUsageAdmin(TenantAdmin):
    """A tenant, what it has stored, and what it may."""

    list_display = ["name", "state", "messages", "size", "quota", "language", "created_at"]
    readonly_fields = [*TenantAdmin.readonly_fields, "messages", "size", "quota", "spent", "shortcuts"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tenant]:
        """With what each has stored, from the statistics of full text: nothing is counted."""
        mine = Corpus.objects.filter(tenant_id=OuterRef("pk")).order_by().values("tenant_id")
        sums = {name: Subquery(mine.annotate(sum=Sum(name)).values("sum")) for name in ("messages", "bytes")}
        rows: QuerySet[Tenant] = super().get_queryset(request)
        return rows.annotate(
            stored_messages=Coalesce(sums["messages"], 0), stored_bytes=Coalesce(sums["bytes"], 0)
        ).annotate(fullest=quotas.fullest(messages="stored_messages", size="stored_bytes"))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Erased with all that it has, by a worker, and not while a legal hold is on any of it."""
        tenant = self.get_object(request, object_id)
        if not self.has_delete_permission(request, tenant):
            raise PermissionDenied
        return redirect(erasing(tenant.pk, "tenant", tenant.name))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """One at a time is erased, with its name typed."""
        return {
            name: each for name, each in super().get_actions(request).items() if name != "delete_selected"
        }

    def get_fieldsets(self, request: HttpRequest, obj: Tenant | None = None) -> Any:
        """A new one has used nothing."""
        usage = ("Usage", {"classes": ["tab"], "fields": ["messages", "size", "quota", "spent", "shortcuts"]})
        first, *rest = super().get_fieldsets(request, obj)
        return [first, *([usage] if obj else []), *rest]

    @display(description="messages", ordering="stored_messages")
    def messages(self, tenant: Tenant) -> SafeString:
        """Leads to them."""
        page = reverse("admin:memories_message_changelist")
        number = f"{getattr(tenant, 'stored_messages', 0):,}"
        return format_html('<a href="{}?tenant={}" class="mc-link">{}</a>', page, tenant.pk, number)

    @display(description="size", ordering="stored_bytes")
    def size(self, tenant: Tenant) -> str:
        """Of texts and metadata."""
        return str(filesizeformat(getattr(tenant, "stored_bytes", 0)))

    @display(description="quota used")
    def quota(self, tenant: Tenant) -> SafeString | str:
        """Of the one that is nearest to its end."""
        share: float | None = getattr(tenant, "fullest", None)
        if share is None:
            return "no quota"
        return format_html(
            '<span class="aml-bar {}"><span style="width: {}%"></span></span> {}',
            "aml-full" if share >= quotas.NEARLY_FULL else "",
            min(100, round(share * 100)),
            f"{share:.0%}",
        )

    @display(description="embedding, this month")
    def spent(self, tenant: Tenant) -> str:
        """US dollars and tokens of remote providers, and its budget."""
        used = costs.spent_this_month(EmbeddingUsage.objects.filter(tenant=tenant))
        budget = tenant.embedding_budget_usd
        of = "" if budget is None else f" of ${budget:,.2f}"
        return f"${used.usd:,.2f}{of} for {used.tokens:,} tokens"

    @display(description="see also")
    def shortcuts(self, tenant: Tenant) -> SafeString:
        """Its rows on other pages."""
        pages = {
            "archive": "memories_archivedmessage",
            "jobs": "memories_embeddingjob",
            "policies": "retention_retentionpolicy",
            "runs": "retention_retentionrun",
            "keys": "tenants_apikey",
        }
        links = [
            format_html(
                '<a href="{}?tenant={}" class="mc-link">{}</a>',
                reverse(f"admin:{page}_changelist"),
                tenant.pk,
                name,
            )
            for name, page in pages.items()
        ]
        return format_html(" · ".join(["{}"] * len(links)), *links)
