"""The admin's sidebar: its pages by rooms. A page is listed for those who may look at it."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse_lazy

Entry = dict[str, Any]


def _may(permission: str) -> Callable[[HttpRequest], bool]:
    def allowed(request: HttpRequest) -> bool:
        return bool(request.user.has_perm(permission))

    return allowed


def _entry(title: str, icon: str, address: str, permission: str) -> Entry:
    """`icon` is a name of the Material Symbols."""
    return {"title": title, "icon": icon, "link": reverse_lazy(address), "permission": _may(permission)}


def _list(model: str, title: str, icon: str) -> Entry:
    """The list of a model (`app.model`)."""
    app, name = model.split(".")
    return _entry(title, icon, f"admin:{app}_{name}_changelist", f"{app}.view_{name}")


def _page(name: str, title: str, icon: str, permission: str) -> Entry:
    """A page of the console, by its name there."""
    return _entry(title, icon, f"console:{name}", permission)


def _room(title: str, *entries: Entry) -> Entry:
    return {"title": title, "items": list(entries)}


ROOMS = [
    _room("Overview", {"title": "Dashboard", "icon": "dashboard", "link": reverse_lazy("admin:index")}),
    _room(
        "Memory",
        _page("playground", "Playground", "manage_search", "memories.view_message"),
        _list("memories.message", "Messages", "chat"),
        _list("memories.archivedmessage", "Archive", "inventory_2"),
    ),
    _room(
        "Retention",
        _list("retention.retentionpolicy", "Policies", "rule"),
        _list("retention.retentionrun", "Runs", "play_circle"),
        _list("retention.legalhold", "Legal holds", "gavel"),
        _page("erase-find", "Erase", "person_remove", "memories.delete_message"),
        _list("retention.erasurereceipt", "Erasure receipts", "receipt_long"),
    ),
    _room(
        "Tenants & keys",
        _list("tenants.tenant", "Tenants", "domain"),
        _list("tenants.apikey", "API keys", "key"),
    ),
    _room(
        "People",
        _list("auth.user", "People", "person"),
        _list("auth.group", "Groups", "groups"),
        _list("tenants.auditevent", "Audit trail", "policy"),
        _list("axes.accessattempt", "Failed log-ins", "lock"),
    ),
    _room(
        "Operations",
        _list("memories.embeddingjob", "Embedding jobs", "pending_actions"),
        _list("memories.embeddingspace", "Embedding spaces", "hub"),
        _page("statistics-index", "Search index", "text_snippet", "memories.view_corpus"),
        _page("statistics-costs", "Embedding costs", "payments", "memories.view_embeddingusage"),
        _list("django_celery_beat.periodictask", "Schedules", "schedule"),
        _list("django_celery_beat.crontabschedule", "Crontabs", "calendar_month"),
        _list("django_celery_beat.intervalschedule", "Intervals", "timer"),
    ),
]
