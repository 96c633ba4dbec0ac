"""When each tenant's policies are due, and who takes the slot.

- A slot row is made, or made anew, when a policy is first seen, enabled, or has another schedule: its first slot is the
  next one, never at once. What no longer has a schedule loses its row.
- The row says when the policy is due next, so what is due is found without looking at anything else. However many slots
  were missed meanwhile, one is due.
- A slot is taken by compare and set, in the transaction that makes the run: two beats start one run, and a crash loses
  neither slot nor run.
- Each run_due asks a fixed number of statements, however many tenants there are.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max

from retention import cron, enforce
from retention.models import RetentionPolicy, RetentionRun, RetentionSlot
from retention.slots import next_slot
from tenants.models import Tenant

log = structlog.get_logger(__name__)

TRIGGER = "schedule"
# (tenant, policy, schedule as text), as rows of the database.
Seen = tuple[int, int, str]

# Spaces inside of beat's fields are allowed there, and would make more than five fields here.
_SCHEDULED = """
    SELECT * FROM (
        SELECT p.tenant_id, p.id AS policy_id,
               CASE WHEN i.id IS NOT NULL THEN 'every ' || i.every || ' ' || i.period
                    WHEN c.id IS NOT NULL THEN
                         replace(c.minute, ' ', '') || ' ' || replace(c.hour, ' ', '') || ' '
                         || replace(c.day_of_month, ' ', '') || ' ' || replace(c.month_of_year, ' ', '') || ' '
                         || replace(c.day_of_week, ' ', '') || ' ' || c.timezone
                    ELSE %(installation)s END AS schedule
        FROM retention_retentionpolicy p
        LEFT JOIN django_celery_beat_intervalschedule i ON i.id = p.interval_id
        LEFT JOIN django_celery_beat_crontabschedule c ON c.id = p.crontab_id
        WHERE p.enabled
        UNION ALL
        SELECT id, 0, %(installation)s::text FROM tenants_tenant
    ) AS every_one WHERE schedule IS NOT NULL
"""
_NEWS = f"""
    SELECT tenant_id, policy_id, scheduled.schedule FROM ({_SCHEDULED}) AS scheduled
    LEFT JOIN retention_retentionslot slot USING (tenant_id, policy_id)
    WHERE slot.schedule IS DISTINCT FROM scheduled.schedule
"""  # noqa: S608 - made of constants
_FORGET = f"""
    DELETE FROM retention_retentionslot slot WHERE NOT EXISTS (
        SELECT FROM ({_SCHEDULED}) AS scheduled
        WHERE scheduled.tenant_id = slot.tenant_id AND scheduled.policy_id = slot.policy_id)
"""  # noqa: S608 - made of constants
_IN_USE = f"SELECT DISTINCT schedule FROM ({_SCHEDULED}) AS scheduled ORDER BY 1"  # noqa: S608 - made of constants
_COMING = f"""
    SELECT policy_id, scheduled.schedule, slot.next_at
    FROM (SELECT * FROM ({_SCHEDULED}) AS of_all WHERE tenant_id = %(tenant)s) AS scheduled
    LEFT JOIN retention_retentionslot slot USING (tenant_id, policy_id, schedule)
"""  # noqa: S608 - made of constants
# A tenant that is being deleted holds its row, and is no longer there when it lets go.
_REMEMBER = """
    INSERT INTO retention_retentionslot (tenant_id, policy_id, schedule, next_at)
    SELECT tenant.id, seen.policy_id, seen.schedule, seen.next_at
    FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::timestamptz[])
         AS seen(tenant_id, policy_id, schedule, next_at)
    JOIN tenants_tenant tenant ON tenant.id = seen.tenant_id
    ORDER BY seen.tenant_id, seen.policy_id FOR KEY SHARE OF tenant
    ON CONFLICT (tenant_id, policy_id) DO UPDATE SET schedule = EXCLUDED.schedule, next_at = EXCLUDED.next_at
    WHERE retention_retentionslot.schedule <> EXCLUDED.schedule
"""


def look(now: datetime) -> None:
    """Bring the slots up to date with the policies, their schedules and the clock."""
    _distrust_the_future(now)
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, _installation())
        cursor.execute(_NEWS, _installation())
        news: list[Seen] = cursor.fetchall()
    if news:
        _remember(news, now)


def due(now: datetime) -> list[list[RetentionSlot]]:
    """The slots that are due, by tenant; the one that waits longest first. Suspended tenants wait."""
    slots = RetentionSlot.objects.filter(next_at__lte=now, tenant__suspended_at=None).select_related("tenant")
    by_tenant = [
        list(group)
        for _, group in groupby(slots.order_by("tenant_id", "policy_id"), lambda slot: slot.tenant_id)
    ]
    return sorted(by_tenant, key=lambda slots: min(slot.next_at for slot in slots if slot.next_at))


def start(slots: Sequence[RetentionSlot], now: datetime) -> RetentionRun | None:
    """Take these slots of one tenant and begin the run for them; None if somebody else has taken them.

    Raises runs.Busy while another run of the tenant is under way; the slots are then still due.
    """
    with transaction.atomic():
        # First, as by whoever deletes the tenant: in another order the two would wait for each other.
        locked = Tenant.objects.select_for_update(no_key=True)
        tenant = locked.filter(id=slots[0].tenant_id, suspended_at=None).first()
        if tenant is None:
            return None
        taken = [slot.policy_id for slot in slots if _take(slot, now)]
        if not taken:
            return None
        return enforce.begin(
            tenant=tenant, trigger=TRIGGER, started_by=_names(tenant, taken), policy_ids=taken
        )


def coming(tenant: Tenant, now: datetime) -> dict[int, datetime | None]:
    """When each of the tenant's policies is due next, by its id (0: the default), even if no look() has seen it yet."""
    with connection.cursor() as cursor:
        cursor.execute(_COMING, {**_installation(), "tenant": tenant.id})
        rows = cursor.fetchall()
    return {policy_id: next_at or next_of(text, after=now, anchor=now) for policy_id, text, next_at in rows}


def in_use() -> list[str]:
    """The texts of all schedules that policies, or the installation, have now."""
    with connection.cursor() as cursor:
        cursor.execute(_IN_USE, _installation())
        return [row[0] for row in cursor.fetchall()]


def overdue_since() -> datetime | None:
    """The earliest slot that nobody has taken, which may lie ahead; None if there is none."""
    waiting = RetentionSlot.objects.filter(tenant__suspended_at=None, next_at__isnull=False)
    return waiting.order_by("next_at").values_list("next_at", flat=True).first()


def next_of(schedule: str, *, after: datetime, anchor: datetime) -> datetime | None:
    """The slot that follows in the text's schedule; None: never, or nobody understands it."""
    try:
        return next_slot(cron.parse(schedule), after=after, anchor=anchor)
    except ValueError as error:
        log.warning("retention_schedule_not_understood", schedule=schedule, error=str(error))
        return None


def _installation() -> dict[str, str | None]:
    line = settings.ENV.retention_schedule
    return {"installation": None if line == cron.OFF else f"{line} UTC"}


def _take(slot: RetentionSlot, now: datetime) -> bool:
    """Compare and set: only one of those who read this slot moves it on."""
    read = RetentionSlot.objects.filter(
        tenant_id=slot.tenant_id, policy_id=slot.policy_id, next_at=slot.next_at
    )
    following = next_of(slot.schedule, after=now, anchor=slot.next_at or now)
    return read.update(next_at=following) == 1


def _names(tenant: Tenant, policy_ids: Iterable[int]) -> str:
    """For the run's `started_by`."""
    own = RetentionPolicy.objects.filter(tenant=tenant)
    names = list(own.filter(id__in=policy_ids).values_list("name", flat=True))
    return ", ".join(names) or ("purge" if own.exists() else "default")


def _remember(news: list[Seen], now: datetime) -> None:
    coming = {schedule: next_of(schedule, after=now, anchor=now) for schedule in {row[2] for row in news}}
    columns = [list(column) for column in zip(*news, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(_REMEMBER, [*columns, [coming[schedule] for schedule in columns[2]]])


def _distrust_the_future(now: datetime) -> None:
    """A slot further away than the one after next was set by a clock that ran ahead: it begins anew.

    One slot ahead is no sign of that: it was taken, and then the clock was put back a little.
    """
    furthest = RetentionSlot.objects.values_list("schedule").annotate(Max("next_at")).order_by()
    for schedule, latest in furthest:
        first = next_of(schedule, after=now, anchor=now)
        limit = first and next_of(schedule, after=first, anchor=first)
        if latest and limit and latest > limit:
            RetentionSlot.objects.filter(schedule=schedule, next_at__gt=limit).update(schedule="")
