"""What the admin's live pages have in common: small JSON endpoints, asked by the browser of whoever is logged in.

Sessions and CSRF tokens instead of keys; everything else, bad input above all, is answered as the API answers it.
"""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import QuerySet
from django.http import Http404
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from tenants import support
from tenants.identifiers import askable
from tenants.models import Tenant

NO_TENANT = "There is no such tenant, or you may not see it."
# So many are offered to choose from; the names of others are typed.
TENANTS_OFFERED = 200


class HoldsPermission(BasePermission):
    """Of the admin's people: those with the view's permission for this method."""

    message = "Your account may not do that. Somebody who manages people can give it the permission."

    def has_permission(self, request: Request, view: Any) -> bool:
        """Methods that the view names no permission for are nobody's."""
        needed = view.permissions.get(request.method)
        user: Any = request.user
        return bool(needed and user and user.is_staff and user.has_perm(needed))


class PersonView(APIView):
    """One endpoint. `permissions`: method -> the permission that it takes."""

    schema = None  # no part of the API
    authentication_classes = [SessionAuthentication]
    permission_classes = [HoldsPermission]
    permissions: dict[str, str] = {}


def tenants_of(person: AbstractBaseUser | AnonymousUser) -> QuerySet[Tenant]:
    """The tenants that this person may see, by name."""
    return support.visible(Tenant.objects.order_by("name"), person, column="pk")


def offered(person: AbstractBaseUser | AnonymousUser) -> list[str]:
    """Their names, as many as somebody chooses from."""
    return list(tenants_of(person).values_list("name", flat=True)[:TENANTS_OFFERED])


def tenant_named(person: AbstractBaseUser | AnonymousUser, name: str | None) -> Tenant:
    """One of those; ValidationError (400) for any other, as if there were none."""
    found = _found(person, name or "")
    if found is None:
        raise ValidationError({"tenant_id": [NO_TENANT]})
    return found


def tenant_or_404(person: AbstractBaseUser | AnonymousUser, name: str) -> Tenant:
    """The same where the name is part of the address."""
    found = _found(person, name)
    if found is None:
        raise Http404(NO_TENANT)
    return found


def _found(person: AbstractBaseUser | AnonymousUser, name: str) -> Tenant | None:
    return tenants_of(person).filter(name=askable(name)).first()
