"""System checks of the installation as a whole."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import DatabaseError, connections

from memory_layer import groups
from tenants.isolation_checks import check_isolation


def register_checks() -> None:
    """Called by the app's ready()."""
    register(check_open_access)
    register(check_groups, Tags.database)
    register(check_isolation, Tags.database)


def check_open_access(**_: Any) -> list[CheckMessage]:
    """memory_layer.W001: anybody who reaches the port is an operator."""
    if not settings.ENV.open_access or settings.ENV.api_keys:
        return []
    hint = (
        "Fine on your own machine. Create a key (`manage.py create_key`) or set MEMORY_API_KEYS to close it."
    )
    return [Warning("Open access: no API key is asked for.", hint=hint, id="memory_layer.W001")]


def check_groups(*, databases: Any = None, **_: Any) -> list[CheckMessage]:
    """memory_layer.W002: tables came that the admin's groups have no permissions for."""
    try:
        there = any(
            Group._meta.db_table in connections[alias].introspection.table_names()
            for alias in databases or []
        )
        lacking = groups.lacking() if there else {}
    except DatabaseError as error:
        return [Warning(f"The groups could not be looked at: {error}", id="memory_layer.W003")]
    return [
        Warning(
            f"The admin's group {name} lacks {', '.join(absent)}.",
            hint="Run `manage.py grant_groups`.",
            id="memory_layer.W002",
        )
        for name, absent in lacking.items()
    ]
