"""Django's middleware for people in a browser, kept away from the API: programs have no sessions and see no messages.

Each takes its time at every request whether anybody logs in or not: together 0.15 ms of a search.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin
from whitenoise import middleware as whitenoise  # type: ignore[import-untyped]

from memory_layer.requests import API

if TYPE_CHECKING:
    _Base = MiddlewareMixin
else:
    _Base = object


class PagesOnly(_Base):
    """Before the middleware that it is for. The API goes past all that follow each other in one step."""

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        # What Django wraps around each middleware has its attributes.
        self.past_pages = getattr(get_response, "past_pages", get_response)

    def __call__(self, request: HttpRequest) -> Any:
        """Past it, for the API."""
        if request.path.startswith(API):
            return self.past_pages(request)
        return super().__call__(request)


class WhiteNoiseMiddleware(PagesOnly, whitenoise.WhiteNoiseMiddleware):  # type: ignore[misc]
    """Static files."""


class SessionMiddleware(PagesOnly, sessions.SessionMiddleware):
    """Cookies."""


class AuthenticationMiddleware(PagesOnly, auth.AuthenticationMiddleware):
    """Who is logged in."""


class MessageMiddleware(PagesOnly, messages.MessageMiddleware):
    """What the admin tells once."""
