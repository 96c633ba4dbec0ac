"""The policies that govern a tenant: its own enabled ones in their order, or the installation's default."""

import math
from collections.abc import Sequence

from django.conf import settings

from memories import recalls
from retention.models import RetentionPolicy
from retention.policies import ARCHIVE, Policy
from tenants.models import Tenant

DEFAULT_ID = 0
_FIELDS = tuple(Policy.__dataclass_fields__)


def default_policy() -> Policy | None:
    """What the settings say for tenants without policies of their own; None where they say nothing."""
    env = settings.ENV
    if not env.retention_default:
        return None
    return Policy(
        id=DEFAULT_ID,
        name="default",
        older_than_days=env.retention_archive_after_days,
        importance_below=env.retention_archive_below_importance,
        action=ARCHIVE,
        delete_archived_after_days=env.retention_delete_archived_after_days,
    )


def policies_of(tenant: Tenant) -> list[Policy]:
    """In the order in which they are asked. A tenant with any row of its own, enabled or not, has left the default."""
    rows = list(RetentionPolicy.objects.filter(tenant=tenant).order_by("priority", "id"))
    if rows:
        return [as_policy(row) for row in rows if row.enabled]
    default = default_policy()
    return [] if default is None else [default]


def policies_with(tenant: Tenant, draft: RetentionPolicy) -> tuple[list[Policy], int]:
    """The same as if this row, which need not be stored, were the tenant's and enabled; and its place."""
    others = RetentionPolicy.objects.filter(tenant=tenant, enabled=True).exclude(pk=draft.pk)
    rows = sorted([*others, draft], key=lambda row: (row.priority, row.id or math.inf))
    return [as_policy(row) for row in rows], rows.index(draft)


def note_recalls(policies: Sequence[Policy]) -> None:
    """Before they decide: what Redis still holds of recalls is written, where one of them asks."""
    if any(policy.not_recalled_for_days is not None for policy in policies):
        recalls.flush()


def as_policy(row: RetentionPolicy) -> Policy:
    """The row as the pure rule that it is."""
    return Policy(**{name: getattr(row, name) for name in _FIELDS})
