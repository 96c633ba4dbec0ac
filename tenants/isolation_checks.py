"""System checks: whether the database keeps tenants apart as it was told to."""

from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Warning
from django.db import DatabaseError, connections

from tenants.isolation import WEB_ROLE, WORKER_ROLE

_COLUMN = "tenant_id"
_OPEN = """
    SELECT relname FROM pg_class c
    WHERE oid = ANY(SELECT to_regclass(quote_ident(name)) FROM unnest(%s::text[]) AS name) AND NOT (
        relrowsecurity AND relforcerowsecurity AND 2 = (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid))
    ORDER BY 1
"""
_OTHERS_VIEWS = """
    SELECT DISTINCT v.relname FROM pg_depend JOIN pg_rewrite ON pg_rewrite.oid = objid
    JOIN pg_class v ON v.oid = ev_class AND v.relkind = 'v' AND v.relname LIKE 'memories\\_%%'
    WHERE refobjid = ANY(SELECT to_regclass(quote_ident(name)) FROM unnest(%s::text[]) AS name)
    AND pg_get_userbyid(v.relowner) <> %s ORDER BY 1
"""
_LOGIN = """
    SELECT rolname FROM pg_roles WHERE rolname = ANY(%s::name[]) AND (
        NOT pg_has_role(session_user, oid, 'SET') OR pg_has_role(session_user, oid, 'USAGE')) ORDER BY 1
"""


def tables_of_tenants() -> list[str]:
    """Of all models with a column for the tenant, and of tenants themselves."""
    models = [model for model in apps.get_models() if model._meta.managed and not model._meta.proxy]
    owned = [
        model for model in models if any(field.column == _COLUMN for field in model._meta.concrete_fields)
    ]
    return sorted({model._meta.db_table for model in [*owned, apps.get_model("tenants.Tenant")]})


def check_isolation(*, databases: Any = None, **_: Any) -> list[CheckMessage]:
    """tenants.W001 to W004; run by `migrate` and `check --database default`."""
    messages: list[CheckMessage] = []
    for alias in databases or []:
        try:
            messages += _faults(alias)
        except DatabaseError as error:
            messages.append(Warning(f"The isolation could not be looked at: {error}", id="tenants.W004"))
    return messages


def _faults(alias: str) -> list[CheckMessage]:
    with connections[alias].cursor() as cursor:

        def ask(sql: str, *params: Any) -> list[str]:
            cursor.execute(sql, params)
            return [row[0] for row in cursor.fetchall()]

        if not ask("SELECT 1 FROM pg_policies WHERE policyname = 'own_rows'"):
            return []  # not migrated yet
        tables = tables_of_tenants()
        found = [
            (
                "W001",
                "Row-level security is not complete on",
                ask(_OPEN, tables),
                "Run `manage.py migrate`. After a restore: was the dump whole?",
            ),
            (
                "W002",
                f"{WORKER_ROLE} does not own, so that searches find nothing in,",
                ask(_OTHERS_VIEWS, tables, WORKER_ROLE),
                f"ALTER VIEW ... OWNER TO {WORKER_ROLE}, as the server's administrator: a restore may lose that.",
            ),
            (
                "W003",
                "The login should be able to SET ROLE to, and not inherit the rights of,",
                ask(_LOGIN, [WEB_ROLE, WORKER_ROLE]),
                "GRANT ... TO the login WITH INHERIT FALSE, SET TRUE; and it should be no superuser.",
            ),
        ]
    return [
        Warning(f"{fault} {', '.join(names)}.", hint=hint, id=f"tenants.{code}")
        for code, fault, names, hint in found
        if names
    ]
