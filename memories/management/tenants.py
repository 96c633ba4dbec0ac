"""The tenant that a command's --tenant names."""

from tenants.management import named
from tenants.models import Tenant


def named_tenant(name: str | None) -> Tenant | None:
    """The tenant, None where none is named; CommandError for one that there is not."""
    return None if name is None else named.named_tenant(name)
