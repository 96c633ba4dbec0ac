"""Tenants and keys from their beginning to their end: what the commands, the API and the admin call."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from tenants import audit, keys
from tenants.audit_actions import AuditAction
from tenants.languages import ENGLISH
from tenants.models import KEY_LIMITS, ApiKey, KeyState, Tenant

# So long a rotated key still works: enough to bring the new one everywhere.
OVERLAP = timedelta(days=1)
OVERLAP_MAX = timedelta(days=30)
# Of the successor of a key that expires: the years of a date have an end.
LIFE_MAX = timedelta(days=36500)


class CannotRotate(ValueError):
    """The key is dead or has a successor; the message is for people."""


def create_tenant(*, name: str, language: str = ENGLISH, **settings: Any) -> Tenant:
    """A new tenant; ValidationError for a bad or taken name or a wrong setting (fields of `Tenant`)."""
    tenant = Tenant(name=name, language=language, **settings)
    tenant.full_clean()
    with transaction.atomic():
        tenant.save()
        note_tenant(AuditAction.TENANT_CREATE, tenant)
    return tenant


def change_tenant(*, tenant: Tenant, changes: Mapping[str, Any]) -> Tenant:
    """The tenant with these settings (fields of `Tenant`), the others as they are; ValidationError for wrong ones.

    Its row is locked: two changes, each right alone, could be wrong together.
    """
    with transaction.atomic():
        row = Tenant.objects.select_for_update().get(pk=tenant.pk)
        changed = {name for name, value in changes.items() if getattr(row, name) != value}
        for name, value in changes.items():
            setattr(row, name, value)
        row.full_clean()
        row.save(update_fields=list(changes))
        if changed:
            note_tenant(AuditAction.TENANT_UPDATE, row, audit.fields(changed))
    return row


def set_suspended(*, tenant: Tenant, suspended: bool) -> Tenant:
    """The tenant, with its reads and writes refused or let through again. Once more changes nothing."""
    with transaction.atomic():
        row = Tenant.objects.select_for_update().get(pk=tenant.pk)
        if suspended != (row.suspended_at is not None):
            row.suspended_at = timezone.now() if suspended else None
            row.save(update_fields=["suspended_at"])
            note_tenant(AuditAction.TENANT_SUSPEND if suspended else AuditAction.TENANT_RESUME, row)
    return row


def create_key(
    *,
    tenant: Tenant | None,
    scopes: Iterable[str],
    name: str = "",
    expires_at: datetime | None = None,
    allowed_networks: Iterable[str] = (),
    **limits: int | None,
) -> tuple[ApiKey, str]:
    """A new key and its plain text, which exists only in this answer. No tenant: an operator's key.

    `limits` are those of `KEY_LIMITS`. ValidationError for a scope or network that there is not, or a wrong limit.
    """
    with transaction.atomic():
        key, plain = _stored_key(
            tenant=tenant,
            scopes=scopes,
            name=name,
            expires_at=expires_at,
            allowed_networks=allowed_networks,
            limits=limits,
        )
        note_key(AuditAction.KEY_ISSUE, key)
    return key, plain


def _stored_key(
    *,
    tenant: Tenant | None,
    scopes: Iterable[str],
    name: str,
    expires_at: datetime | None,
    allowed_networks: Iterable[str],
    limits: Mapping[str, int | None],
    replaces: ApiKey | None = None,
) -> tuple[ApiKey, str]:
    new = keys.make()
    key = ApiKey(
        tenant=tenant,
        name=name,
        scopes=sorted(set(scopes)),
        expires_at=expires_at,
        allowed_networks=list(allowed_networks),
        replaces=replaces,
        created_at=timezone.now(),
        prefix=new.prefix,
        digest=new.digest,
        **limits,
    )
    key.full_clean(exclude=["digest", "prefix"])
    key.save()
    return key, new.plain


def rotate_key(*, key: ApiKey, overlap: timedelta = OVERLAP) -> tuple[ApiKey, str]:
    """A new key with the rights of the old one, and its plain text; the old one works for `overlap` more at most.

    One that expires gets a successor that lives as long as it was to live. Raises CannotRotate.
    """
    with transaction.atomic():
        old = ApiKey.objects.select_for_update(of=("self",)).select_related("tenant").get(pk=key.pk)
        now = timezone.now()
        _refuse_rotation(old, now)
        new, plain = _stored_key(
            tenant=old.tenant,
            scopes=old.scopes,
            name=old.name,
            allowed_networks=old.allowed_networks,
            expires_at=old.expires_at and now + min(old.expires_at - old.created_at, LIFE_MAX),
            replaces=old,
            limits={name: getattr(old, name) for name in KEY_LIMITS},
        )
        old.expires_at = min(old.expires_at or now + overlap, now + overlap)
        old.save(update_fields=["expires_at"])
        note_key(AuditAction.KEY_ROTATE, old, {"successor": new.prefix})
    return new, plain


def revoke_key(*, key: ApiKey) -> ApiKey:
    """The key, dead for good: here at once, elsewhere after `remembered.SECONDS`. Once more changes nothing."""
    with transaction.atomic():
        row = ApiKey.objects.select_for_update(of=("self",)).get(pk=key.pk)
        if row.revoked_at is None:
            row.revoked_at = timezone.now()
            row.save(update_fields=["revoked_at"])
            note_key(AuditAction.KEY_REVOKE, row)
    return row


def note_tenant(action: AuditAction, tenant: Tenant, changes: Mapping[str, Any] | None = None) -> None:
    """What was done to a tenant, for the audit trail."""
    audit.record(action, tenant_id=tenant.pk, of="tenant", id=tenant.pk, changes=changes)


def note_key(action: AuditAction, key: ApiKey, changes: Mapping[str, Any] | None = None) -> None:
    """The same of a key, which its prefix names."""
    audit.record(action, tenant_id=key.tenant_id, of="key", id=key.prefix, changes=changes)


def _refuse_rotation(key: ApiKey, now: datetime) -> None:
    state = key.state(now)
    if state != KeyState.ACTIVE:
        raise CannotRotate(f"The key is {state}: create a new one.")
    successor = ApiKey.objects.filter(replaces=key).first()
    if successor is not None:
        raise CannotRotate(f"The key has been replaced by {successor}: rotate that one, or create a new one.")
