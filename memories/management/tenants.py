"""The tenant that a command's --tenant names."""

from django.core.management.base import CommandError

from tenants.models import Tenant


def named_tenant(name: str | None) -> Tenant | None:
    """The tenant, None where none is named; CommandError for one that there is not."""
    if name is None:
        return None
    tenant = Tenant.objects.filter(name=name).first()
    if tenant is None:
        raise CommandError(f"There is no tenant {name!r}.")
    return tenant
