"""Embedding spaces: how full they are, and which one searches read."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display

from memories.models import EmbeddingSpace
from tenants.admin_pages import Page


@admin.register(EmbeddingSpace)
class EmbeddingSpaceAdmin(Page):
    """Which models made the stored vectors, and which of them searches read."""

    list_help = (
        "A space holds the vectors of one model; only vectors of one space can be compared. To change the "
        "model without downtime, begin a space with manage.py reembed, let it fill, and switch searches to "
        "it."
    )
    form_help = "Made from the settings, filled by workers, and never changed by hand."
    empty_help = "The first space is made from the settings, with the first message or search."
    list_display = ["name", "searched", "dimensions", "created_at"]
    change_form_outer_before_template = "admin/console/space.html"

    @display(description="model")
    def name(self, space: EmbeddingSpace) -> str:
        """The provider's and the model's."""
        return f"{space.provider} / {space.model}"

    @display(description="searches read it", label={"yes": "success"})
    def searched(self, space: EmbeddingSpace) -> str:
        """One of them all."""
        return "yes" if space.active else "no"

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any
    ) -> HttpResponse:
        """How full it is takes seconds to count: the page asks for it once it is there."""
        context["may_switch"] = self.has_switch_permission(request)
        context["progress_of"] = "asked=1" if request.GET.get("asked") else ""
        return super().render_change_form(request, context, *args, **options)

    def has_switch_permission(self, request: HttpRequest) -> bool:
        """Those who may change spaces: by filling and switching, never by hand."""
        return bool(request.user.has_perm("memories.change_embeddingspace"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Made from the settings at first use."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: EmbeddingSpace | None = None) -> bool:
        """Vectors would silently be compared with those of another model."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: EmbeddingSpace | None = None) -> bool:
        """Its vectors would go along."""
        return False
