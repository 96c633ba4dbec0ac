"""Operations of migrations: the roles, and which of a table's rows they reach.

A model with a column tenant_id needs `Isolate` in the migration that makes it; a test finds one that has none. The
web's role has no right to a table without it, or without `Share` for what belongs to no tenant. The worker's role has
all rights to all tables, those of later migrations too, but is not their owner.

Migrations run as the login, which owns the tables and reaches no tenant's rows: one that changes rows says
`with isolation.reaching(isolation.BEYOND)` around that, after its changes of the schema.
"""

from collections.abc import Sequence
from typing import Any

from django.core.management import CommandError
from django.db.migrations.operations.base import Operation

from tenants.isolation import KEY_SETTING, TENANT_SETTING, WEB_ROLE, WORKER_ROLE

# In transactions that nobody has said anything in, the setting is empty, or was never there. SELECT: asked once a
# statement, not for each row or look-up at a microsecond each. Where a statement names its tenant as well, as all of
# ours do, the planner goes by that, and compares the two once.
CURRENT_TENANT = f"(SELECT nullif(current_setting('{TENANT_SETTING}', true), '')::bigint)"
CURRENT_KEY = f"(SELECT decode(nullif(current_setting('{KEY_SETTING}', true), ''), 'hex'))"
ALL = "SELECT, INSERT, UPDATE, DELETE"
_MAINTAIN = 17_00_00


class _InDatabase(Operation):
    """Changes nothing that models know of."""

    reduces_to_sql = True
    reversible = True

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Nothing."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        for statement in self.forwards(_Names(schema_editor, app_label, to_state)):
            schema_editor.execute(statement)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        for statement in self.backwards(_Names(schema_editor, app_label, to_state)):
            schema_editor.execute(statement)

    def forwards(self, names: "_Names") -> Sequence[str]:
        raise NotImplementedError

    def backwards(self, names: "_Names") -> Sequence[str]:
        raise NotImplementedError


class _Names:
    """What the operation's models are called in the database, and what the database says."""

    def __init__(self, schema_editor: Any, app_label: str, state: Any) -> None:
        self.connection, self._app_label, self._state = schema_editor.connection, app_label, state

    def model(self, name: str) -> Any:
        """A model by its name, or by app.name."""
        label, _, own = name.rpartition(".")
        return self._state.apps.get_model(label or self._app_label, own)

    def table(self, name: str) -> str:
        return self.quoted(self.model(name)._meta.db_table)

    def quoted(self, name: str) -> str:
        return str(self.connection.ops.quote_name(name))

    def ask(self, sql: str, *params: Any) -> list[Any]:
        """The first column of all rows."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, params)
            return [row[0] for row in cursor.fetchall()]


class MakeRoles(_InDatabase):
    """The two roles, which nobody logs in as, and what they may do with the tables that there are and will be."""

    def forwards(self, names: _Names) -> Sequence[str]:
        roles = _roles(names)
        [schema] = names.ask("SELECT quote_ident(current_schema())")
        [anybody] = names.ask("SELECT has_schema_privilege('public', current_schema(), 'USAGE')")
        tables, sequences = _rights(names)
        return [
            *roles,
            *([] if anybody else [f"GRANT USAGE ON SCHEMA {schema} TO {WEB_ROLE}, {WORKER_ROLE}"]),
            *(f"GRANT {tables} ON {table} TO {WORKER_ROLE}" for table in _own(names, "r", "p")),
            *(f"GRANT {sequences} ON SEQUENCE {each} TO {WORKER_ROLE}" for each in _own(names, "S")),
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {tables} ON TABLES TO {WORKER_ROLE}",
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {sequences} ON SEQUENCES TO {WORKER_ROLE}",
            # `health/ready` asks whether all is migrated.
            f"GRANT SELECT ON django_migrations TO {WEB_ROLE}",
        ]

    def backwards(self, names: _Names) -> Sequence[str]:
        """The roles stay: other databases of the server may have the same."""
        [schema] = names.ask("SELECT quote_ident(current_schema())")
        return [
            *(f"REVOKE ALL ON {table} FROM {WORKER_ROLE}, {WEB_ROLE}" for table in _own(names, "r", "p")),
            *(f"REVOKE ALL ON SEQUENCE {each} FROM {WORKER_ROLE}" for each in _own(names, "S")),
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} REVOKE ALL ON TABLES FROM {WORKER_ROLE}",
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} REVOKE ALL ON SEQUENCES FROM {WORKER_ROLE}",
        ]

    def describe(self) -> str:
        return f"Make the roles {WEB_ROLE} and {WORKER_ROLE}"


class Isolate(_InDatabase):
    """Of these models' tables the web reaches the current tenant's rows, the worker all, and the owner none."""

    def __init__(
        self, *models: str, column: str = "tenant_id", rights: str = ALL, or_else: str = "false"
    ) -> None:
        self.models, self.column, self.rights, self.or_else = models, column, rights, or_else

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        given = {"column": self.column, "rights": self.rights, "or_else": self.or_else}
        return type(self).__name__, self.models, given

    def forwards(self, names: _Names) -> Sequence[str]:
        own = f"{names.quoted(self.column)} = {CURRENT_TENANT}"
        if self.or_else != "false":
            own = f"{own} OR {self.or_else}"
        return [
            statement
            for table in map(names.table, self.models)
            for statement in (
                f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
                f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
                f"CREATE POLICY own_rows ON {table} TO {WEB_ROLE} USING ({own}) WITH CHECK ({own})",
                f"CREATE POLICY all_rows ON {table} TO {WORKER_ROLE} USING (true) WITH CHECK (true)",
                f"GRANT {self.rights} ON {table} TO {WEB_ROLE}",
            )
        ]

    def backwards(self, names: _Names) -> Sequence[str]:
        return [
            statement
            for table in map(names.table, self.models)
            for statement in (
                f"REVOKE ALL ON {table} FROM {WEB_ROLE}",
                f"DROP POLICY own_rows ON {table}",
                f"DROP POLICY all_rows ON {table}",
                f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
                f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
            )
        ]

    def describe(self) -> str:
        return f"Isolate the tenants in {', '.join(self.models)}"


class Share(_InDatabase):
    """Rights of the web to tables that hold nothing of any tenant."""

    def __init__(self, rights: str, *models: str) -> None:
        self.rights, self.models = rights, models

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        return type(self).__name__, (self.rights, *self.models), {}

    def forwards(self, names: _Names) -> Sequence[str]:
        return [f"GRANT {self.rights} ON {table} TO {WEB_ROLE}" for table in map(names.table, self.models)]

    def backwards(self, names: _Names) -> Sequence[str]:
        return [f"REVOKE ALL ON {table} FROM {WEB_ROLE}" for table in map(names.table, self.models)]

    def describe(self) -> str:
        return f"Let the web {self.rights} {', '.join(self.models)}"


class ViewForSearch(_InDatabase):
    """The current tenant's rows of a table, for conditions that PostgreSQL does not know to be leakproof.

    Under row-level security such a condition (words, metadata, the first word of a name) must wait until a row is known
    to be the tenant's, and so no index serves it. The view is the worker's, who reaches all rows, and has the tenant's
    condition in it as any other, so the planner may order them as it likes. What a view like this can leak are error
    messages about rows of others, to whoever writes SQL of their own; the texts themselves are not in it.
    """

    def __init__(self, name: str, model: str, *, without: Sequence[str], own_index: bool = False) -> None:
        """`own_index`: for conditions whose own index tells tenants apart; the tenant is no reason to use another."""
        self.name, self.model_name, self.without, self.own_index = name, model, list(without), own_index

    def deconstruct(self) -> tuple[str, Sequence[Any], dict[str, Any]]:
        given = {"without": self.without, "own_index": self.own_index}
        return type(self).__name__, (self.name, self.model_name), given

    def forwards(self, names: _Names) -> Sequence[str]:
        model, view = names.model(self.model_name), names.quoted(self.name)
        fields = [field.column for field in model._meta.concrete_fields if field.name not in self.without]
        # Means the same, of a column that is never NULL, and no index serves it.
        equals = "IS NOT DISTINCT FROM" if self.own_index else "="
        made = [
            f"""CREATE VIEW {view} AS SELECT {", ".join(map(names.quoted, fields))}
                FROM {names.quoted(model._meta.db_table)} WHERE tenant_id {equals} {CURRENT_TENANT}""",
            f"GRANT SELECT ON {view} TO {WEB_ROLE}",
        ]
        return _as_worker(names, made)

    def backwards(self, names: _Names) -> Sequence[str]:
        return [
            f"SET LOCAL ROLE {WORKER_ROLE}",
            f"DROP VIEW IF EXISTS {names.quoted(self.name)}",
            "SET LOCAL ROLE NONE",
        ]

    def describe(self) -> str:
        return f"Make the view {self.name}"


# Two databases of one server may be migrated at the same time.
_CREATE = """
    DO $$ BEGIN CREATE ROLE {role} NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$
"""


def _roles(names: _Names) -> list[str]:
    """Statements that make both roles, with the login as a member; CommandError, with what to do, if it may not."""
    login, may_create = names.ask(
        """SELECT unnest(ARRAY[quote_ident(rolname), (rolcreaterole OR rolsuper)::text]) FROM pg_roles
           WHERE rolname = session_user"""
    )
    statements, needed = [], []
    for role in (WEB_ROLE, WORKER_ROLE):
        grant = f"GRANT {role} TO {login} WITH INHERIT FALSE, SET TRUE"
        if not names.ask("SELECT 1 FROM pg_roles WHERE rolname = %s", role):
            statements += [_CREATE.format(role=role), grant]
            needed += [f"CREATE ROLE {role} NOLOGIN", grant] if may_create == "false" else []
            continue
        [may_set, may_grant] = names.ask(
            "SELECT pg_has_role(session_user, %s, unnest(ARRAY['SET', 'MEMBER WITH ADMIN OPTION']))", role
        )
        if not may_set:
            statements.append(grant)
            needed += [] if may_grant else [grant]
    if needed:
        _refuse(f"{login} may not make the roles that keep tenants apart", needed)
    return statements


def _as_worker(names: _Names, statements: Sequence[str]) -> Sequence[str]:
    """The same as the worker, who may make things in the schema for just so long."""
    [schema] = names.ask("SELECT quote_ident(current_schema())")
    [may, may_grant] = names.ask(
        """SELECT has_schema_privilege(grantee, current_schema(), privilege) FROM (
               VALUES (1, %s::name, 'CREATE'), (2, session_user, 'CREATE WITH GRANT OPTION'))
           AS asked(place, grantee, privilege) ORDER BY place""",
        WORKER_ROLE,
    )
    grant = f"GRANT CREATE ON SCHEMA {schema} TO {WORKER_ROLE}"
    if not may and not may_grant:
        _refuse(f"{WORKER_ROLE} may not make views in the schema {schema}", [grant])
    as_worker = [f"SET LOCAL ROLE {WORKER_ROLE}", *statements, "SET LOCAL ROLE NONE"]
    if may:
        return as_worker
    return [grant, *as_worker, f"REVOKE CREATE ON SCHEMA {schema} FROM {WORKER_ROLE}"]


def _refuse(fault: str, needed: Sequence[str]) -> None:
    raise CommandError(
        f"{fault}. Nothing of this migration was done. Let the server's administrator run this, then migrate again:\n"
        + "".join(f"    {statement};\n" for statement in needed)
    )


def _own(names: _Names, *kinds: str) -> list[Any]:
    """The login's own tables, or sequences, in the schema."""
    return names.ask(
        """SELECT oid::regclass::text FROM pg_class WHERE relkind = ANY(%s::"char"[])
           AND relnamespace = current_schema()::regnamespace AND pg_get_userbyid(relowner) = session_user""",
        list(kinds),
    )


def _rights(names: _Names) -> tuple[str, str]:
    """The worker's to tables, and to sequences. Sampling a table was its owner's alone before PostgreSQL 17."""
    maintain = ", MAINTAIN" if names.connection.pg_version >= _MAINTAIN else ""
    return ALL + maintain, "SELECT, USAGE, UPDATE"
