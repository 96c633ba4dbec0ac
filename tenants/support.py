"""Which tenants a person of the support may see in the admin. All others are not there for them."""

from typing import TypeVar

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models

SUPPORT = "support"

_Row = TypeVar("_Row", bound=models.Model)


class SupportTenant(models.Model):
    """One tenant that one person of the group `support` may see. The migration puts the tenant first in its key."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, db_index=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, db_index=False, related_name="support_tenants"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "user"], name="support_tenant_once")]

    def __str__(self) -> str:
        return f"{self.user} sees {self.tenant}"


def is_bound(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Whether this one sees only its tenants: everybody in `support` but superusers, whatever else they are in.

    Asked once for a user object, as Django asks for its permissions: pages ask for each of their parts.
    """
    if getattr(user, "is_superuser", False):
        return False
    known: bool | None = getattr(user, "_is_bound", None)
    if known is None:
        groups: models.QuerySet[models.Model] = user.groups.filter(name=SUPPORT)  # type: ignore[union-attr]
        known = user._is_bound = groups.exists()  # type: ignore[union-attr]
    return known


def visible(
    rows: models.QuerySet[_Row], user: AbstractBaseUser | AnonymousUser, *, column: str
) -> models.QuerySet[_Row]:
    """Those of the rows that this one may see; `column` has the tenant's number."""
    if not is_bound(user):
        return rows
    own = SupportTenant.objects.filter(user_id=user.pk or 0).values("tenant_id")
    return rows.filter(**{f"{column}__in": own})
