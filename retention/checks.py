"""System checks: tables of which nobody knows what they hold, and policies that can never act, are said by name."""

from itertools import groupby
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError, connections
from django.utils import timezone

from retention import personal_data, schedule
from retention.effective import as_policy
from retention.models import RetentionPolicy, RetentionSlot
from retention.shadows import shadowed

# One wrong pattern can be in every tenant.
NAMED = 10


def register_checks() -> None:
    """Called by the app's ready()."""
    register(check_tables)
    register(check_policies, Tags.database)


def check_tables(**_: Any) -> list[CheckMessage]:
    """retention.E001: a table of which nobody has said what it holds of a person."""
    hint = "Erasure goes by it, and refuses to run until it is right."
    return [Error(fault, hint=hint, id="retention.E001") for fault in personal_data.faults()]


def check_policies(*, databases: Any = None, **_: Any) -> list[CheckMessage]:
    """retention.W001, W002; run by `migrate` and `check --database default`."""
    messages: list[CheckMessage] = []
    for alias in databases or []:
        try:
            tables = connections[alias].introspection.table_names()
            if RetentionSlot._meta.db_table in tables:
                messages += _never_scheduled() + _shadowed(alias)
        except DatabaseError as error:
            messages.append(Warning(f"The database {alias} could not be asked: {error}", id="retention.W003"))
    return messages


def _never_scheduled() -> list[CheckMessage]:
    now = timezone.now()
    return [
        Warning(
            f"The retention schedule '{text}' never fires.",
            hint="Its policies run only by hand. Give them another schedule in the admin.",
            id="retention.W001",
        )
        for text in schedule.in_use()
        if schedule.next_of(text, after=now, anchor=now) is None
    ]


def _shadowed(alias: str) -> list[CheckMessage]:
    enabled = RetentionPolicy.objects.using(alias).filter(enabled=True).select_related("tenant")
    messages: list[CheckMessage] = []
    for tenant, rows in groupby(enabled.order_by("tenant_id", "priority", "id"), lambda row: row.tenant):
        policies = [as_policy(row) for row in rows]
        messages += [
            Warning(
                f"The retention policy {policies[place].name} of {tenant} never acts.",
                hint=f"{earlier.name} comes first and takes every message that fits it.",
                id="retention.W002",
            )
            for place, earlier in shadowed(policies).items()
        ]
    return messages[:NAMED]
