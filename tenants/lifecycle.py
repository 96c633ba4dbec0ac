"""Creating tenants and keys: what the commands, and later the API and the admin, call."""

from collections.abc import Iterable
from datetime import datetime

from tenants import keys
from tenants.languages import ENGLISH
from tenants.models import ApiKey, Tenant


def create_tenant(*, name: str, language: str = ENGLISH) -> Tenant:
    """A new tenant; ValidationError for a bad or taken name, or a language that there is not."""
    tenant = Tenant(name=name, language=language)
    tenant.full_clean()
    tenant.save()
    return tenant


def create_key(
    *, tenant: Tenant | None, scopes: Iterable[str], name: str = "", expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """A new key and its plain text, which exists only in this answer. No tenant: an operator's key."""
    new = keys.make()
    key = ApiKey(
        tenant=tenant,
        name=name,
        scopes=sorted(set(scopes)),
        expires_at=expires_at,
        prefix=new.prefix,
        digest=new.digest,
    )
    key.full_clean(exclude=["digest", "prefix"])
    key.save()
    return key, new.plain
