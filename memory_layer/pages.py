"""Django's middleware for people in a browser, kept away from the API: programs have no sessions and see no messages.

Each takes its time at every request whether anybody logs in or not: together 0.15 ms of a search.
"""

from typing import TYPE_CHECKING, Any

from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin

from memory_layer.requests import API

if TYPE_CHECKING:
    _Base = MiddlewareMixin
else:
    _Base = object


class PagesOnly(_Base):
    """Before the middleware that it is for."""

    def __call__(self, request: HttpRequest) -> Any:
        """Past it, for the API."""
        if request.path.startswith(API):
            return self.get_response(request)
        return super().__call__(request)


class SessionMiddleware(PagesOnly, sessions.SessionMiddleware):
    """Cookies."""


class AuthenticationMiddleware(PagesOnly, auth.AuthenticationMiddleware):
    """Who is logged in."""


class MessageMiddleware(PagesOnly, messages.MessageMiddleware):
    """What the admin tells once."""
