"""The archive, and the receipts of erasures: read, browsed and searched, built for a million rows."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from memories.models import ArchivedMessage
from retention.admin.enforcing import ArchiveActions
from retention.effective import default_policy
from retention.models import ErasureReceipt, RetentionPolicy
from tenants import support
from tenants.admin_pages import RecordAdmin, ShowsContent, TenantOwned

# Of a list of filters nobody reads more.
POLICIES_SHOWN = 50


class PolicyFilter(admin.SimpleListFilter):
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

    list_display = [
        "archived_at",
        "short_content",
        "conversation_id",
        "tenant",
        "policy",
        "reason",
        "deleted_at",
    ]
    list_select_related = ["tenant"]
    list_filter = [("deleted_at", admin.EmptyFieldListFilter), PolicyFilter]
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

    @admin.display(description="content")
    def short_content(self, message: ArchivedMessage) -> str:
        """Enough to recognise it by."""
        return message.content if len(message.content) <= 80 else message.content[:79] + "…"


@admin.register(ErasureReceipt)
class ErasureReceiptAdmin(TenantOwned, RecordAdmin):
    """That somebody was erased; who it was, nobody can tell from it."""

    list_display = ["finished_at", "tenant_id", "kind", "verified", "requested_by", "id"]
    list_filter = ["kind", "verified"]
    search_fields = ["=subject_digest", "=id"]


def _by_id(term: str) -> Q:
    try:
        return Q(id=UUID(term))
    except ValueError:
        return Q()
