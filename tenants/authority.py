"""What a caller may do with tenants and keys: an operator with all of them, a tenant's own administrator with its own.

What is somebody else's is said to be missing (404), whether it exists or not.
"""

from collections.abc import Iterable

from django.db.models import QuerySet
from rest_framework.exceptions import NotFound, PermissionDenied

from tenants.auth import Caller, own_tenant, require_operator
from tenants.identifiers import askable
from tenants.models import LIMITS, ApiKey, ApiKeyQuerySet, Tenant

NO_TENANT = "There is no such tenant."
NO_KEY = "There is no such key."
# Of a tenant's settings: what it costs and whether it is served is not for the tenant to say.
OPERATORS_SETTINGS = frozenset({*LIMITS, "embedding_budget_usd", "suspended"})


def tenants_under(caller: Caller) -> QuerySet[Tenant]:
    """The tenants that the caller may see. As all here, charged to a tenant whose key it is; once a request."""
    tenant = own_tenant(caller)
    return Tenant.objects.all() if tenant is None else Tenant.objects.filter(pk=tenant.pk)


def tenant_under(caller: Caller, name: str) -> Tenant:
    """The tenant, fresh from the database; an operator's may be suspended. Raises NotFound or PermissionDenied."""
    tenant = tenants_under(caller).filter(name=askable(name)).first()
    if tenant is None:
        raise NotFound(NO_TENANT)
    return tenant


def owner_under(caller: Caller, name: str | None, *, operator: bool) -> Tenant | None:
    """Whose key a new one is: of the tenant of that name, of the caller's own, or, None, an operator's."""
    if operator:
        require_operator(caller)
        return None
    return tenant_under(caller, name or (caller.tenant.name if caller.tenant else ""))


def keys_under(caller: Caller, name: str | None = None) -> ApiKeyQuerySet:
    """The keys that the caller may see and revoke: of the tenant of that name, or all."""
    keys = ApiKey.objects.select_related("tenant", "replaces")
    tenant = own_tenant(caller) if name is None else tenant_under(caller, name)
    return keys if tenant is None else keys.filter(tenant=tenant)


def key_under(caller: Caller, prefix: str) -> ApiKey:
    """One of them; NotFound."""
    key = keys_under(caller).filter(prefix=askable(prefix)).first()
    if key is None:
        raise NotFound(NO_KEY)
    return key


def refuse_operators_settings(caller: Caller, names: Iterable[str]) -> None:
    """PermissionDenied if only an operator may set one of these."""
    if not caller.is_operator and (beyond := sorted(OPERATORS_SETTINGS.intersection(names))):
        raise PermissionDenied(f"Only the operator of the installation may set {', '.join(beyond)}.")


def refuse_more_scopes(caller: Caller, scopes: Iterable[str]) -> None:
    """PermissionDenied if a key with these scopes could do more than the caller's."""
    if beyond := sorted(set(scopes) - caller.scopes):
        raise PermissionDenied(
            f"The API key lacks {', '.join(beyond)}, so it cannot give that to another key."
        )
