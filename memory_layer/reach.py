"""What a request may reach in the database before anybody has vouched for it."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from tenants import isolation

# Its people are told what they may see by their groups and tenants (docs/security.md), its sessions are no tenant's.
ADMIN = "/admin/"


class ReachMiddleware:
    """No tenant's rows, until a key says whose (`tenants.auth`); the admin: all. Over when the answer is there."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        reach = isolation.BEYOND if request.path_info.startswith(ADMIN) else isolation.NOBODY
        with isolation.reaching(reach):
            return self.get_response(request)
