"""What the search index and embedding cost are made of, by tenant: two pages of the admin that only show."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet, Sum
from django.db.models.functions import TruncMonth
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from memories.models import Corpus, EmbeddingUsage, TermStatistic, VectorRecall
from tenants import support
from tenants.admin_filters import TENANTS_SHOWN
from tenants.console import tenants_of

ROWS, WORDS, MONTHS_OF_ROWS = 100, 50, 200


def index(request: HttpRequest) -> HttpResponse:
    """Texts, words and vectors: what each tenant's index holds, and what its vector search finds."""
    if not request.user.has_perm("memories.view_corpus"):
        raise PermissionDenied
    return _page(
        request,
        "index",
        "Search index",
        corpora=_of(Corpus.objects.order_by("-messages"), request)[:ROWS],
        recalls=_of(VectorRecall.objects.filter(space__active=True).order_by("recall"), request)[:ROWS],
        **_words(request),
    )


def costs(request: HttpRequest) -> HttpResponse:
    """Tokens and US dollars of remote providers, by month, tenant and model."""
    if not request.user.has_perm("memories.view_embeddingusage"):
        raise PermissionDenied
    rows = _of(EmbeddingUsage.objects.annotate(month=TruncMonth("day")), request).order_by()
    names = ("month", "tenant_id", "tenant__name", "space__provider", "space__model")
    sums = {f"{name}_sum": Sum(name) for name in ("tokens", "calls", "cost_micro_usd")}
    by_month = rows.values(*names).annotate(**sums).order_by("-month", "-cost_micro_usd_sum", "tenant__name")
    usages = [row | {"cost": row["cost_micro_usd_sum"] / 1_000_000} for row in by_month[:MONTHS_OF_ROWS]]
    return _page(request, "costs", "Embedding costs", usages=usages)


def _words(request: HttpRequest) -> dict[str, Any]:
    """The commonest words of a tenant that begin so."""
    asked = {name: request.GET.get(name, "").strip().replace("\0", "") for name in ("tenant", "word")}
    choices = list(tenants_of(request.user).values_list("name", flat=True)[:TENANTS_SHOWN])
    chosen = tenants_of(request.user).filter(name=asked["tenant"]).first() if asked["tenant"] else None
    terms = TermStatistic.objects.filter(tenant=chosen, term__startswith=asked["word"].lower())
    return {
        "asked": asked,
        "choices": choices,
        "chosen": chosen,
        "terms": list(terms.order_by("-messages", "term")[:WORDS]) if chosen else [],
    }


def _of(rows: QuerySet[Any], request: HttpRequest) -> QuerySet[Any]:
    return support.visible(rows, request.user, column="tenant_id").select_related("tenant")


def _page(request: HttpRequest, name: str, title: str, **context: Any) -> HttpResponse:
    context |= {**admin.site.each_context(request), "title": title}
    return TemplateResponse(request, f"admin/statistics/{name}.html", context)
