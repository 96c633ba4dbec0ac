"""Who is asking: key -> tenant and scopes.

An unknown, wrong, malformed, revoked and expired key, and one that may not be used from where it is, all get the same
answer after the same work: one look at the database. A key of tenant A never learns whether tenant B exists.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotFound, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from tenants import actors, addresses, audit, isolation, keys, limits, read_only, refusals, remembered
from tenants.audit_actions import ActorKind, AuditAction
from tenants.models import ApiKey, Scope, Tenant

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which imports this module through its settings

ALL_SCOPES = frozenset(Scope.values)
LAST_USED_EVERY = timedelta(minutes=1)
NO_KEY = "This needs an API key: send it as X-API-Key, or as Authorization: Bearer."
BAD_KEY = "The API key is not valid."
SUSPENDED = "The tenant is suspended: its reads and writes are refused until the operator resumes it. Nothing is lost."
OTHER_TENANT = "The API key does not belong to this tenant."


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who is asking. `tenant` is None for an operator, who may name any tenant; `key` for one of MEMORY_API_KEYS."""

    tenant: Tenant | None
    scopes: frozenset[str]
    key_prefix: str
    key: ApiKey | None = None
    digest: bytes = b""  # of the key as it was sent; empty without one
    meter: limits.Meter = field(default_factory=limits.Meter)
    is_authenticated: bool = True

    @property
    def is_operator(self) -> bool:
        """Operators work across tenants."""
        return self.tenant is None


class KeyAuthentication(BaseAuthentication):
    """`X-API-Key: <key>` or `Authorization: Bearer <key>`; without a key only while open access lasts."""

    def authenticate(self, request: Request) -> tuple[Caller, None]:
        """The caller, who acts from now on, or AuthenticationFailed (401)."""
        offered = _key_in(request)
        caller = _open_caller() if offered is None else _operator(offered) or _key_holder(offered, request)
        actors.acting(ActorKind.KEY, caller.key_prefix)
        structlog.contextvars.bind_contextvars(key=caller.key_prefix)
        return caller, None

    def authenticate_header(self, request: Request) -> str:
        """Makes DRF answer 401 and tells clients how to come in."""
        return 'Bearer realm="AI Memory Layer"'


class HasScope(BasePermission):
    """The view's `scopes` say what a method needs; by default GET reads and everything else writes."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Whether the caller's key has the scope; the refusal says which one it lacks."""
        needed = getattr(view, "scopes", {}).get(request.method, _default_scope(request))
        caller = cast(Caller, request.user)
        caller.meter.kind = limits.READS if needed == Scope.READ or _only_reads(request) else limits.WRITES
        caller.meter.headers = view.headers  # DRF puts them on every answer of the view, errors too
        caller.meter.door = None if getattr(view, "counts_items", False) else _door(caller, request)
        require_scope(caller, needed)
        if getattr(view, "operators_only", False):
            require_operator(caller)
        return True


def _door(caller: Caller, request: Request) -> refusals.Door | None:
    """What is refused with this request if it is over a limit.

    None for a key that is bound to addresses, which from elsewhere must look like an unknown one, and for operators'
    writes, which name their tenant in the body.
    """
    if not caller.digest or (caller.key is not None and caller.key.allowed_networks):
        return None
    method = request.method or ""
    if method != "GET":
        return None if caller.is_operator else refusals.Door(caller.digest, method, request.path)
    if not caller.is_operator:
        return refusals.Door(caller.digest, method)
    named = request.query_params.get("tenant_id", "")
    return refusals.Door(caller.digest, method, request.path, named)


def require_scope(caller: Caller, scope: str) -> None:
    """PermissionDenied (403), naming the scope, if the caller's key has it not."""
    if scope not in caller.scopes:
        raise PermissionDenied(f"The API key lacks the scope '{scope}'.")


def require_operator(caller: Caller) -> None:
    """PermissionDenied (403) for a tenant's key. From here on the request reaches all tenants' rows."""
    if not caller.is_operator:
        raise PermissionDenied("This is for the operator of the installation.")
    isolation.bind(isolation.BEYOND)


def tenant_of(
    caller: Caller, name: str | None, *, may_create: bool = False, units: int = 1, reads: int = 0
) -> Tenant:
    """The tenant that a request is about, charged for it: `units` of the request's kind, and `reads` on top of writes.

    A tenant's own key needs no name and may give no other. An operator names one; an unknown one is created if
    `may_create` and the installation allows it. Raises NotFound (404) or PermissionDenied (403), and what
    `limits.charge` raises.
    """
    tenant = caller.tenant
    if tenant is not None:
        if name not in (None, "", tenant.name):
            raise PermissionDenied(OTHER_TENANT)
    else:
        tenant = _named_tenant(name, may_create=may_create and settings.ENV.creates_tenants)
    _admit(caller, tenant, {limits.READS: reads, caller.meter.kind: units})
    return tenant


def own_tenant(caller: Caller) -> Tenant | None:
    """The tenant whose key it is, charged as by `tenant_of`; None for an operator, who is not charged and sees all."""
    if caller.tenant is not None:
        _admit(caller, caller.tenant, {caller.meter.kind: 1})
    else:
        isolation.bind(isolation.BEYOND)
    return caller.tenant


def _admit(caller: Caller, tenant: Tenant, units: Mapping[str, int]) -> None:
    """While it is suspended a 403 of a type of its own, so that a client can tell it from a wrong key; then charged.

    From here on the request reaches this tenant's rows, and no others.
    """
    structlog.contextvars.bind_contextvars(tenant=tenant.pk)
    if tenant.suspended_at is not None:
        raise PermissionDenied(SUSPENDED, code="tenant-suspended")
    limits.charge(tenant=tenant, key=caller.key, meter=caller.meter, units=units)
    isolation.bind(isolation.of_tenant(tenant.pk))


def _named_tenant(name: str | None, *, may_create: bool) -> Tenant:
    if not name:
        raise NotFound("An operator's request must name its tenant_id.")
    with isolation.beyond():  # an operator's request, which may name any
        tenant = remembered.TENANTS.remembered(name, lambda: Tenant.objects.filter(name=name).first())
        if tenant is None and may_create:
            tenant = _created(name)
    if tenant is None:
        raise NotFound(
            "There is no such tenant. Create it with `POST /v1/admin/tenants` or `manage.py create_tenant`."
        )
    return tenant


def _created(name: str) -> Tenant:
    with transaction.atomic():
        tenant, created = Tenant.objects.get_or_create(name=name)
        if created:
            audit.record(AuditAction.TENANT_CREATE, tenant_id=tenant.pk, of="tenant", id=tenant.pk)
    return tenant


def _default_scope(request: Request) -> str:
    return Scope.READ if _only_reads(request) else Scope.WRITE


def _only_reads(request: Request) -> bool:
    return request.method in ("GET", "HEAD", "OPTIONS")


def _key_in(request: Request) -> keys.OfferedKey | None:
    sent = request.META
    return keys.offered_in(sent.get("HTTP_X_API_KEY"), sent.get("HTTP_AUTHORIZATION"))


def _open_caller() -> Caller:
    """Open access ends with the first key, configured or stored, for good: revoking it must not open the door."""
    if not settings.ENV.open_access or settings.ENV.api_keys or _any_key():
        raise AuthenticationFailed(NO_KEY)
    return Caller(tenant=None, scopes=ALL_SCOPES, key_prefix="open-access")


def _any_key() -> bool:
    with isolation.beyond():
        return ApiKey.objects.exists()


def _operator(offered: keys.OfferedKey) -> Caller | None:
    """One of MEMORY_API_KEYS."""
    if not keys.is_one_of(offered, (key.get_secret_value() for key in settings.ENV.api_keys)):
        return None
    return Caller(tenant=None, scopes=ALL_SCOPES, key_prefix="operator", digest=offered.digest)


def _key_holder(offered: keys.OfferedKey, request: Request) -> Caller:
    now = timezone.now()

    def stored() -> ApiKey | None:
        rows = ApiKey.objects.usable(now)
        with isolation.reaching(isolation.of_key(offered.digest)):
            key = rows.filter(prefix=offered.prefix, digest=offered.digest).first()
        return _with_tenant(key) if key is not None and _is_good(key, request, now) else None

    key = remembered.KEYS.remembered(offered.digest, stored)
    if key is not None and not _is_good(key, request, now):
        key = stored()  # remembered for others: a refusal takes a look at the database, whatever its reason
    if key is None:
        raise AuthenticationFailed(BAD_KEY)
    _note_use(key, now)
    return Caller(
        tenant=key.tenant,
        scopes=frozenset(key.scopes),
        key_prefix=key.prefix,
        key=key,
        digest=offered.digest,
    )


def _with_tenant(key: ApiKey) -> ApiKey:
    """With its tenant's row, which the key does not reach."""
    if key.tenant_id is not None:
        with isolation.reaching(isolation.of_tenant(key.tenant_id)):
            key.tenant = Tenant.objects.get(pk=key.tenant_id)
    return key


def _is_good(key: ApiKey, request: Request, now: datetime) -> bool:
    """Neither expired at `now` nor used from somewhere else than it may be."""
    if key.expires_at is not None and key.expires_at <= now:
        return False
    return not key.allowed_networks or addresses.is_within(sender_of(request), key.networks)


def sender_of(request: Request | HttpRequest) -> addresses.Address | None:
    """Where it comes from, as far as our proxies can be trusted to tell; None if that cannot be told."""
    return addresses.sender(
        peer=request.META.get("REMOTE_ADDR", ""),
        forwarded_for=request.META.get("HTTP_X_FORWARDED_FOR", ""),
        trusted=settings.ENV.trusted_proxies,
    )


def _note_use(key: ApiKey, now: datetime) -> None:
    """At most once a minute: a write per request would make the key's row the hottest of the database."""
    stale = now - LAST_USED_EVERY
    if key.last_used_at is None or key.last_used_at < stale:
        due = Q(last_used_at=None) | Q(last_used_at__lt=stale)
        with read_only.left_out(), isolation.reaching(isolation.of_key(bytes(key.digest))):
            ApiKey.objects.filter(due, pk=key.pk).update(last_used_at=now)
        key.last_used_at = now  # the remembered one: all threads may know
