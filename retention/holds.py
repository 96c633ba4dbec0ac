"""Placing and releasing legal holds. A hold is never removed: that it was there is part of the record."""

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from retention.models import LegalHold
from tenants import audit
from tenants.audit_actions import AuditAction
from tenants.models import Tenant


class AlreadyHeld(Exception):
    """The same is under a hold that has not been released."""


def place(*, tenant: Tenant, kind: str, subject: str, reason: str, by: str) -> LegalHold:
    """From now on nothing of it is archived, changed, deleted or erased. Raises ValidationError and AlreadyHeld."""
    hold = LegalHold(tenant=tenant, kind=kind, subject=subject, reason=reason, placed_by=by)
    hold.clean()
    try:
        with transaction.atomic():
            hold.save()
            _note(AuditAction.HOLD_PLACE, tenant, hold.id)
    except IntegrityError as error:
        if "hold_once" not in str(error):
            raise
        raise AlreadyHeld("It is under a hold already; release that one first.") from error
    return LegalHold.objects.select_related("tenant").get(tenant=tenant, id=hold.id)


def release(*, tenant: Tenant, hold_id: int, by: str) -> LegalHold:
    """The policies apply again. Released once: a repeated call changes nothing. Raises LegalHold.DoesNotExist."""
    holds = LegalHold.objects.filter(tenant=tenant, id=hold_id)
    with transaction.atomic():
        if holds.filter(released_at=None).update(released_at=Now(), released_by=by):
            _note(AuditAction.HOLD_RELEASE, tenant, hold_id)
    return holds.select_related("tenant").get()


def _note(action: AuditAction, tenant: Tenant, hold_id: int) -> None:
    audit.record(action, tenant_id=tenant.id, of="hold", id=hold_id)
