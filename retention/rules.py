"""Making and changing policies, for the API. What a row may hold, the model and its constraints say."""

from collections.abc import Mapping
from copy import copy
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django_celery_beat.models import CrontabSchedule, IntervalSchedule

from retention.effective import DEFAULT_ID, as_policy, default_policy
from retention.models import RetentionPolicy
from retention.policies import Policy
from retention.schedule import coming
from retention.shadows import shadowed
from tenants import audit
from tenants.audit_actions import AuditAction
from tenants.models import Tenant

# Each message is compared with all of them.
POLICIES = 100
SCHEDULE = "schedule"
_CRONTAB = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week", "timezone")


class NotPossible(Exception):
    """It contradicts what is stored; says why."""


def listed(tenant: Tenant, now: datetime) -> list[RetentionPolicy]:
    """The tenant's policies in the order in which they are asked; without any, the default, which has no id.

    Each with `next_at`, and `shadowed_by`: the name of an earlier one that leaves it nothing.
    """
    rows: list[Any] = list(_of(tenant).order_by("priority", "id")) or _default(tenant)
    following = coming(tenant, now)
    asked = [row for row in rows if row.enabled]
    shadows = shadowed([as_policy(row) for row in asked])
    for row in rows:
        row.next_at = following.get(row.id or DEFAULT_ID)
    for place, earlier in shadows.items():
        asked[place].shadowed_by = earlier.name
    return rows


def create(*, tenant: Tenant, values: Mapping[str, Any]) -> RetentionPolicy:
    """A new policy. `schedule` is a text of `cron`, or None for the installation's.

    Raises ValidationError for what cannot be a policy, NotPossible for a taken name or one policy too many.
    """
    if _of(tenant).count() >= POLICIES:
        raise NotPossible(f"A tenant has at most {POLICIES} policies.")
    with transaction.atomic():
        row = _saved(RetentionPolicy(tenant=tenant), values)
        note(AuditAction.POLICY_CREATE, row, audit.fields(values))
    return row


def change(*, tenant: Tenant, policy_id: int, values: Mapping[str, Any]) -> RetentionPolicy:
    """Change what is given. Raises as create(), and RetentionPolicy.DoesNotExist."""
    with transaction.atomic():
        before = RetentionPolicy.objects.select_for_update().get(tenant=tenant, id=policy_id)
        row = _saved(copy(before), values)
        if changed := [name for name in values if _field(row, name) != _field(before, name)]:
            note(AuditAction.POLICY_UPDATE, row, audit.fields(changed))
    return row


def remove(*, tenant: Tenant, policy_id: int) -> bool:
    """Whether there was such a policy. What it did stays in the runs; without policies the default comes back."""
    with transaction.atomic():
        row = _of(tenant).select_for_update(of=("self",)).filter(id=policy_id).first()
        if row is not None:
            note(AuditAction.POLICY_DELETE, row)
            row.delete()
    return row is not None


def note(action: AuditAction, row: RetentionPolicy, changes: Mapping[str, Any] | None = None) -> None:
    """What was done to a policy, for the audit trail."""
    audit.record(action, tenant_id=row.tenant_id, of="policy", id=row.id, changes=changes)


def _field(row: RetentionPolicy, name: str) -> Any:
    return (row.interval_id, row.crontab_id) if name == SCHEDULE else getattr(row, name)


def _of(tenant: Tenant) -> Any:
    return RetentionPolicy.objects.filter(tenant=tenant).select_related("interval", "crontab", "tenant")


def _default(tenant: Tenant) -> list[RetentionPolicy]:
    """As a row that is not stored."""
    policy = default_policy()
    if policy is None:
        return []
    fields: dict[str, Any] = {
        name: getattr(policy, name) for name in Policy.__dataclass_fields__ if name != "id"
    }
    return [RetentionPolicy(**fields | {"tenant": tenant, "created_at": None})]


def _saved(row: RetentionPolicy, values: Mapping[str, Any]) -> RetentionPolicy:
    for name, value in values.items():
        if name != SCHEDULE:
            setattr(row, name, value)
    row.clean()
    try:
        with transaction.atomic():
            if SCHEDULE in values:
                row.interval, row.crontab = _beats_rows(values[SCHEDULE])
            row.save()
    except IntegrityError as error:
        if "policy_name" not in str(error):
            raise
        raise NotPossible(f"name: another policy of the tenant is called {row.name}.") from error
    return row


def _beats_rows(text: str | None) -> tuple[IntervalSchedule | None, CrontabSchedule | None]:
    """Beat's row that says so, which policies share; beat has no unique key, so the first one counts."""
    if text is None:
        return None, None
    words = text.split()
    if len(words) == len(_CRONTAB):
        return None, _row(CrontabSchedule, dict(zip(_CRONTAB, words, strict=True)))
    return _row(IntervalSchedule, {"every": int(words[1]), "period": words[2]}), None


def _row(model: Any, fields: Mapping[str, Any]) -> Any:
    return model.objects.filter(**fields).order_by("id").first() or model.objects.create(**fields)
