"""The admin's site: whoever opens one of its pages is who acts, for the audit trail."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, TypeVar, cast

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from unfold.sites import UnfoldAdminSite

from tenants import actors, people
from tenants.audit_actions import ActorKind

_View = TypeVar("_View", bound=Callable[..., HttpResponseBase])


class Site(UnfoldAdminSite):
    """Unfold's, which says who is there before it does anything."""

    def admin_view(self, view: _View, cacheable: bool = False) -> _View:
        inner = super().admin_view(view, cacheable)

        def announced(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            actors.acting(ActorKind.ADMIN, request.user.get_username())
            return inner(request, *args, **kwargs)

        return cast(_View, update_wrapper(announced, inner))

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """One's own."""
        with people.noting_password(cast(int, request.user.pk)):
            return super().password_change(request, extra_context)
