"""The admin's live pages and their endpoints, of all rooms: mounted below /admin/, behind its log-in.

Their names are in a namespace of their own; the pages of single tables are the model admins' (`<room>/admin`).
"""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path

from memories import message_pages, playground, space_pages, statistics_pages
from retention.admin import conversations, drafts, erasing, progress

app_name = "console"


def _page(route: str, view: Callable[..., HttpResponseBase], name: str) -> URLPattern:
    return path(route, admin.site.admin_view(view), name=name)


def _endpoint(route: str, view: Any, name: str) -> URLPattern:
    return _page(route, view.as_view(), name)


_CONVERSATION = "conversations/<str:tenant>/<str:conversation>/"
_ERASING = "erase/<int:tenant_id>/<str:kind>/<str:subject>/"

urlpatterns = [
    _page("playground/", playground.page, "playground"),
    _endpoint("playground/search/", playground.PlaygroundSearch, "playground-search"),
    _endpoint("playground/why/", playground.PlaygroundWhy, "playground-why"),
    _endpoint("playground/weights/", playground.PlaygroundWeights, "playground-weights"),
    _page("messages/<uuid:message_id>/embed-again/", message_pages.embed_again, "message-embed-again"),
    _page("messages/<uuid:message_id>/export/", message_pages.export, "message-export"),
    _page("messages/<uuid:message_id>/move/", conversations.move_message, "message-move"),
    _page(_CONVERSATION, conversations.page, "conversation"),
    _page(f"{_CONVERSATION}export/", conversations.export, "conversation-export"),
    _page(f"{_CONVERSATION}move/", conversations.move, "conversation-move"),
    _page("erase/", erasing.find, "erase-find"),
    _page(_ERASING, erasing.page, "erasing"),
    _endpoint(f"{_ERASING}progress/", erasing.Progress, "erasing-progress"),
    _endpoint("policies/draft/", drafts.DraftPreview, "policy-draft"),
    _endpoint("runs/<uuid:run_id>/progress/", progress.RunProgress, "run-progress"),
    _page("runs/<uuid:run_id>/undo/", progress.undo, "run-undo"),
    _page("statistics/index/", statistics_pages.index, "statistics-index"),
    _page("statistics/costs/", statistics_pages.costs, "statistics-costs"),
    _endpoint("spaces/<int:space_id>/progress/", space_pages.SpaceProgress, "space-progress"),
    _page("spaces/<int:space_id>/fill/", space_pages.fill, "space-fill"),
    _page("spaces/<int:space_id>/switch/", space_pages.switch, "space-switch"),
]
