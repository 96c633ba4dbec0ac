"""Raw SQL on every table that holds something of a tenant, found from the models, with every reach."""

from typing import Any

import pytest
from django.db import DatabaseError, ProgrammingError, connection, transaction

from memories.models import Message
from memories.spaces import active_space
from tenants import isolation
from tenants.lifecycle import create_key
from tenants.models import Tenant
from tests.factories import TenantFactory, remember
from tests.tenant_rows import MODELS, TABLES, columns, row


def may(table: str, right: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_table_privilege(%s, %s, %s)", [isolation.WEB_ROLE, table, right])
        return bool(cursor.fetchone()[0])


def run(sql: str, *params: Any) -> int:
    """How many rows a statement gives or changes; rolled back."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, params)
        count = int(cursor.rowcount)
        transaction.set_rollback(True)
    return count


def _emptied(table: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table}")
    return True


@pytest.fixture
def filled(acme, globex) -> tuple[Tenant, Tenant]:
    """A row of both tenants in every table."""
    active_space()
    for tenant in (acme, globex):
        remember(tenant, "hello")
        for table in sorted(TABLES, key=lambda table: table == "memories_archivedembedding"):
            if table not in ("tenants_tenant", "memories_message") and not run(
                f"SELECT FROM {table} WHERE tenant_id = %s", tenant.id
            ):
                MODELS[table]._base_manager.bulk_create([row(table, tenant)])
    return acme, globex


def test_it_works(filled):
    assert len(TABLES) >= 24
    for table in TABLES:
        for tenant in filled:
            assert run(f"SELECT FROM {table} WHERE {columns(table)} = %s", tenant.id) >= 1, table


def test_every_table_with_a_tenant_is_isolated_also_from_its_owner(db):
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT table_name FROM information_schema.columns JOIN pg_class ON oid = to_regclass(table_name)
            WHERE table_schema = current_schema() AND column_name = 'tenant_id' AND relkind = 'r'
            """
        )
        found = {name for (name,) in cursor.fetchall()}
        assert {*found, "tenants_tenant"} == set(TABLES)
        cursor.execute(
            """
            SELECT relname, relrowsecurity AND relforcerowsecurity, (
                SELECT array_agg(polname || ' ' || polcmd::text || ' ' || polroles::regrole[]::text || ' '
                                 || (polqual IS NOT NULL) || (polwithcheck IS NOT NULL) ORDER BY polname)
                FROM pg_policy WHERE polrelid = pg_class.oid)
            FROM pg_class WHERE relname = ANY(%s)
            """,
            [TABLES],
        )
        policies = ["all_rows * {memory_worker} truetrue", "own_rows * {memory_web} truetrue"]
        for table, forced, polices in cursor.fetchall():
            assert (forced, polices) == (True, policies), f"{table}: give its migration an Isolate"


def test_the_web_may_do_nothing_with_other_tables_than_these(db):
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v')
            AND (has_any_column_privilege('memory_web', oid, 'SELECT, INSERT, UPDATE')
                 OR has_table_privilege('memory_web', oid, 'DELETE, TRUNCATE'))
            """
        )
        allowed = {name for (name,) in cursor.fetchall()}
    assert allowed - set(TABLES) == {
        "django_migrations",
        "django_celery_beat_crontabschedule",
        "django_celery_beat_intervalschedule",
        "django_celery_beat_periodictasks",
        "memories_embeddingspace",
        "memories_messageforsearch",
        "memories_messageforwords",
        "memories_archivedmessageforsearch",
        "memories_archivedmessageforwords",
    }


@pytest.mark.parametrize("reach", ["nobody", "another tenant"])
def test_without_the_tenant_its_rows_are_not_there(filled, reach):
    for table in TABLES:
        _without_tenant(filled, table, reach)


def _without_tenant(filled: Any, table: str, reach: str) -> None:
    acme, globex = filled
    key, new = columns(table), row(table, acme, number=2)
    with isolation.reaching(isolation.NOBODY if reach == "nobody" else isolation.of_tenant(globex.id)):
        assert run(f"SELECT FROM {table} WHERE {key} = %s", acme.id) == 0
        assert run(f"SELECT FROM {table}") == (
            0 if reach == "nobody" else run(f"SELECT FROM {table} WHERE {key} = %s", globex.id)
        )
        for right, sql in (
            ("UPDATE", f"UPDATE {table} SET {key} = {key}"),
            ("DELETE", f"DELETE FROM {table}"),
        ):
            if not may(table, right):
                with pytest.raises(ProgrammingError, match="permission denied"):
                    run(f"{sql} WHERE {key} = %s", acme.id)
            elif table != "tenants_auditevent":
                assert run(f"{sql} WHERE {key} = %s", acme.id) == 0
        with (
            pytest.raises(ProgrammingError, match=r"row-level security|permission denied"),
            transaction.atomic(),
        ):
            MODELS[table]._base_manager.bulk_create([new])


def test_a_tenant_reaches_its_own_rows_and_gives_none_away(filled):
    for table in TABLES:
        _own_rows(filled, table)


def _own_rows(filled: Any, table: str) -> None:
    acme, globex = filled
    key, new = columns(table), row(table, acme, number=2)
    total = run(f"SELECT FROM {table}")
    with isolation.reaching(isolation.of_tenant(acme.id)):
        own = run(f"SELECT FROM {table}")
        assert 1 <= own < total
        assert own == run(f"SELECT FROM {table} WHERE {key} = %s", acme.id)
        if may(table, "UPDATE"):
            assert run(f"UPDATE {table} SET {key} = {key}") == own
            with pytest.raises(DatabaseError, match="row-level security"):
                run(f"UPDATE {table} SET {key} = %s", globex.id)
        if may(table, "DELETE"):
            assert run(f"DELETE FROM {table}") == own
        if may(table, "INSERT"):
            with transaction.atomic():
                left = 0 if may(table, "DELETE") and _emptied(table) else own
                MODELS[table]._base_manager.bulk_create([new])
                assert run(f"SELECT FROM {table}") == left + 1
                transaction.set_rollback(True)


def test_the_worker_reaches_all_and_the_owner_none(filled):
    for table in TABLES:
        _worker_and_owner(table)


def _worker_and_owner(table: str) -> None:
    with isolation.beyond():
        assert run(f"SELECT FROM {table}") >= 2
    with isolation.reaching(isolation.LOGIN):
        assert run("SELECT FROM pg_tables WHERE tablename = %s AND tableowner = current_user", table) == 1
        assert run(f"SELECT FROM {table}") == 0
        if table != "tenants_auditevent":
            assert run(f"UPDATE {table} SET {columns(table)} = {columns(table)}") == 0


def test_a_forgotten_filter_gives_the_tenants_rows_only(acme, globex):
    remember(acme, "mine")
    remember(globex, "theirs")
    with isolation.reaching(isolation.of_tenant(acme.id)):
        assert [each.content for each in Message.objects.all()] == ["mine"]
        assert [each.name for each in Tenant.objects.all()] == ["acme"]
        Message.objects.all().delete()
    assert [each.content for each in Message.objects.all()] == ["theirs"]


def test_the_views_for_search_have_all_columns_but_the_text(db):
    own = {field.column for field in Message._meta.concrete_fields} - {"content"}
    with connection.cursor() as cursor:
        for view in (
            "messageforsearch",
            "messageforwords",
            "archivedmessageforsearch",
            "archivedmessageforwords",
        ):
            cursor.execute("SELECT * FROM memories_" + view)
            found = {column.name for column in cursor.description}
            assert found >= own, f"a new column: make the view {view} anew"
            assert "content" not in found


@pytest.mark.parametrize("view", ["memories_messageforsearch", "memories_messageforwords"])
def test_the_views_for_search_show_no_other_tenant(acme, globex, view):
    remember(acme, "one", "two")
    remember(globex, "three")
    for reach, count in (
        (isolation.NOBODY, 0),
        (isolation.BEYOND, 0),
        (isolation.of_tenant(acme.id), 2),
        (isolation.of_tenant(globex.id), 1),
    ):
        with isolation.reaching(reach):
            assert run(f"SELECT FROM {view}") == count
    with isolation.reaching(isolation.of_tenant(acme.id)):
        assert run(f"SELECT FROM {view} WHERE tenant_id = %s", globex.id) == 0


def test_a_key_reaches_itself_alone(acme):
    first, _ = create_key(tenant=acme, scopes=["read"])
    create_key(tenant=acme, scopes=["read"])
    with isolation.reaching(isolation.of_key(bytes(first.digest))):
        assert run("SELECT FROM tenants_apikey") == 1
        assert run("UPDATE tenants_apikey SET last_used_at = now()") == 1
        assert run("SELECT FROM tenants_tenant") == run("SELECT FROM memories_message") == 0
    TenantFactory()
    with isolation.reaching(isolation.of_key(b"y" * 32)):
        assert run("SELECT FROM tenants_apikey") == 0
