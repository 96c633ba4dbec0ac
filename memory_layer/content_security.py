"""What a page may load and run: its own files, and nothing that a stored text could have brought in.

Scripts never inline; the admin's own may make functions of their attributes (Alpine), which are escaped like all else.
The API's answers are JSON, which no browser renders, and go without.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from memory_layer.requests import API

HEADER = "Content-Security-Policy"
_ALWAYS = "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
_OWN = "default-src 'none'; img-src 'self' data:; font-src 'self'; connect-src 'self'"
# By the beginning of the path. Both pages set styles as attributes of elements.
PAGES = {
    "/admin": f"{_OWN}; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; {_ALWAYS}",
    "/docs": f"{_OWN}; script-src 'self'; style-src 'self' 'unsafe-inline'; {_ALWAYS}",
}
ALL_ELSE = f"default-src 'none'; {_ALWAYS}"


class ContentSecurityMiddleware:
    """Sends the policy with everything that is not the API's."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not request.path_info.startswith(API):
            response.headers[HEADER] = _policy(request.path_info)
        return response


def _policy(path: str) -> str:
    return next((policy for start, policy in PAGES.items() if path.startswith(start)), ALL_ELSE)
