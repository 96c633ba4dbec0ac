"""The admin's people in the audit trail, whatever page they are changed on."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from tenants import audit
from tenants.audit_actions import AuditAction


def note(action: AuditAction, person_id: int, changes: Mapping[str, Any] | None = None) -> None:
    """By number: what somebody is called may change."""
    audit.record(action, tenant_id=None, of="person", id=person_id, changes=changes)


@contextmanager
def noting_password(person_id: int) -> Iterator[None]:
    """Around a page that may change this one's password: Django's own, which have no transaction."""
    stored = User.objects.filter(pk=person_id).values_list("password", flat=True)
    with transaction.atomic():
        before = stored.first()
        yield
        if stored.first() != before:
            note(AuditAction.PERSON_UPDATE, person_id, audit.fields(["password"]))
