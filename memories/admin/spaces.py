"""Embedding spaces: how full they are, and which one searches read."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display

from memories import reembedding
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
    actions = ["search_with"]
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
        return super().render_change_form(request, context, *args, **options)

    @admin.action(description="Search with this space", permissions=["switch"])
    def search_with(self, request: HttpRequest, queryset: QuerySet[EmbeddingSpace]) -> None:
        """Refused with the reason while the space is not complete."""
        if len(spaces := list(queryset)) != 1:
            self.message_user(request, "Choose one space.", messages.ERROR)
            return
        try:
            reembedding.switch(spaces[0])
        except reembedding.CannotSwitch as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, f"Searches read {spaces[0]} now.")

    def has_switch_permission(self, request: HttpRequest) -> bool:
        """Those who may change spaces; by this action alone, never by hand."""
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
