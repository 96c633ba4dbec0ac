"""What a command's arguments name: a tenant, a key. CommandError for what there is not; it repeats no key."""

from django.core.management.base import CommandError

from tenants import keys
from tenants.models import ApiKey, Tenant


def named_tenant(name: str) -> Tenant:
    """The tenant of this name."""
    tenant = Tenant.objects.filter(name=name).first()
    if tenant is None:
        raise CommandError(f"There is no tenant {name!r}. Create it with `manage.py create_tenant`.")
    return tenant


def named_key(text: str) -> ApiKey:
    """The key of this prefix; `mlk_<prefix>_…` and a whole key name it too."""
    prefix = keys.prefix_in(text)
    key = ApiKey.objects.select_related("tenant").filter(prefix=prefix).first() if prefix else None
    if key is None:
        raise CommandError(
            "There is no such key. `manage.py list_keys --all` shows them with their prefixes."
        )
    return key
