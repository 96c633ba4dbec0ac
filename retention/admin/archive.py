"""The archive, and the receipts of erasures: read, browsed and searched, built for a million rows."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display

from memories import admin_addresses
from memories.models import ArchivedMessage
from retention.admin.enforcing import ArchiveActions
from retention.effective import default_policy
from retention.models import ErasureReceipt, RetentionPolicy
from tenants import support
from tenants.admin_filters import ChoiceFilter, TenantFilter
from tenants.admin_pages import RecordAdmin, ShowsContent, TenantOwned
from tenants.models import Tenant

# Of a list of filters nobody reads more.
POLICIES_SHOWN = 50


class DeletedFilter(ChoiceFilter):
    """By whether they are on their way out of the archive too."""

    title = "state"
    parameter_name = "state"
    choices_of = [("archived", "Archived"), ("deleted", "Deleted, can still come back")]
    conditions = {"archived": Q(deleted_at=None), "deleted": Q(deleted_at__isnull=False)}


class PolicyFilter(DropdownFilter):
    """By the policies that there are: asking the archive which ones it names would read all of it."""

    title = "policy"
    parameter_name = "policy"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        """The default, and the names of the tenants' own."""
        theirs = support.visible(RetentionPolicy.objects.all(), request.user, column="tenant_id")
        own = theirs.order_by("name").values_list("name", flat=True).distinct()
        default = default_policy()
        names = ([default.name] if default else []) + list(own[:POLICIES_SHOWN])
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Messages that left by it."""
        return queryset.filter(policy=self.value()) if self.value() else queryset


@admin.register(ArchivedMessage)
class ArchivedMessageAdmin(ArchiveActions, TenantOwned, ShowsContent, RecordAdmin):
    """Messages out of the memory. In the order of the primary key, which needs no sorting."""

    list_help = (
        "Messages that left the memory, with the policy and the reason. Choose some and restore them: they "
        "come back as they were. What is deleted waits here for its grace period, and is purged then."
    )
    form_help = "Out of the memory, and unchanged: restored, it is found again at once."
    empty_help = "Nothing has left the memory. Policies archive messages; runs show what they would do first."
    list_display = ["archived_at", "state", "short_content", "conversation", "tenant", "policy", "reason"]
    list_select_related = ["tenant"]
    list_filter = [DeletedFilter, TenantFilter, PolicyFilter]
    sortable_by = ()
    ordering = ["-tenant_id", "-id"]
    actions = ["restore_messages"]
    # What is searched, get_search_results() says; without this there would be no box.
    search_fields = ["id"]
    search_help_text = "The whole id, external id, conversation or user, exactly as it is written."
    fieldsets = [
        (None, {"fields": ["content", "metadata", ("importance", "importance_is_explicit", "pinned")]}),
        (
            "Where it was said",
            {
                "fields": [
                    ("tenant", "conversation_id"),
                    ("role", "name"),
                    ("user_id", "agent_id", "external_id"),
                    ("created_at", "stored_at", "last_recalled_at"),
                    "id",
                ]
            },
        ),
        ("Why it is here", {"fields": [("policy", "reason"), ("archived_at", "archived_by")]}),
        ("Deleted", {"fields": [("deletion_reason", "deleted_at", "deleted_by")]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ArchivedMessage]:
        """Without the index document, which no page shows."""
        return super().get_queryset(request).defer("document", "jobs")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By equality, which indexes serve; Django's own search would compare upper case with every row."""
        if not (term := search_term.strip()):
            return queryset, False
        names = ("conversation_id", "user_id", "external_id")
        found = Q(*[(name, term) for name in names], _connector=Q.OR)
        return queryset.filter(found | _by_id(term)), False

    @display(description="state", label={"archived": "info", "deleted": "danger"})
    def state(self, message: ArchivedMessage) -> str:
        """Whether it is on its way out."""
        return "deleted" if message.deleted_at else "archived"

    @admin.display(description="conversation")
    def conversation(self, message: ArchivedMessage) -> SafeString:
        """Leads to it as a chat, with what of it is still in the memory."""
        return format_html(
            '<a href="{}" class="mc-link aml-id" title="{}">{}</a>',
            admin_addresses.conversation(message.tenant.name, message.conversation_id),
            message.conversation_id,
            message.conversation_id,
        )

    @admin.display(description="content")
    def short_content(self, message: ArchivedMessage) -> str:
        """Enough to recognise it by."""
        return message.content if len(message.content) <= 80 else message.content[:79] + "…"


@admin.register(ErasureReceipt)
class ErasureReceiptAdmin(TenantOwned, RecordAdmin):
    """That somebody was erased; who it was, nobody can tell from it."""

    list_help = (
        "That somebody was erased, when and at whose wish: the proof for an authority. It names nobody; "
        "whoever knows the name can compute the digest and search for it."
    )
    form_help = "Counts, times and digests. They outlive the tenant, and are never changed."
    empty_help = "Nobody was erased. DELETE /v1/users/{user_id} erases a user, with a receipt here."
    list_display = ["finished_at", "kind", "proof", "tenant", "rows", "requested_by", "id"]
    list_filter = [TenantFilter]
    search_fields = ["=subject_digest", "=id"]
    search_help_text = "The whole digest of a subject, or the id of a receipt"

    def get_queryset(self, request: HttpRequest) -> QuerySet[ErasureReceipt]:
        """With the names of those tenants that are still there."""
        names = Tenant.objects.filter(pk=OuterRef("tenant_id")).values("name")
        rows: QuerySet[ErasureReceipt] = super().get_queryset(request)
        return rows.annotate(tenant_name=Subquery(names[:1]))

    @display(description="proof", label={"verified": "success", "not verified": "danger"})
    def proof(self, receipt: ErasureReceipt) -> str:
        """Whether it was looked for again and nothing was found."""
        return "verified" if receipt.verified else "not verified"

    @admin.display(description="tenant")
    def tenant(self, receipt: ErasureReceipt) -> str:
        """Its name; the number of one that is gone."""
        return getattr(receipt, "tenant_name", None) or f"gone ({receipt.tenant_id})"

    @admin.display(description="rows removed")
    def rows(self, receipt: ErasureReceipt) -> str:
        """Of all tables together."""
        return f"{sum(receipt.counts.values()):,}"


def _by_id(term: str) -> Q:
    try:
        return Q(id=UUID(term))
    except ValueError:
        return Q()
