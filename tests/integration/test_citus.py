"""docs/scaling.md distributes the tables by tenant: what Citus asks of their keys holds, and no table is left out.

No Citus runs here. It asks that the unique keys of a distributed table contain the column that it is distributed by,
and that foreign keys between distributed tables join on it.
"""

import re
from pathlib import Path

import pytest
from django.db import connection

PAGE = (Path(__file__).parents[2] / "docs/scaling.md").read_text(encoding="utf-8")
DISTRIBUTED = dict(re.findall(r"SELECT create_distributed_table\('(\w+)', '(\w+)'", PAGE))
REFERENCE = set(re.findall(r"SELECT create_reference_table\('(\w+)'\)", PAGE))
LOCAL = set(re.findall(r"SELECT citus_add_local_table_to_metadata\('(\w+)'\)", PAGE))
# Keys that have to change first; the page says so.
FIRST = set(re.findall(r"ALTER TABLE (\w+) DROP CONSTRAINT \w+,\s+ADD PRIMARY KEY \(tenant_id, id\)", PAGE))


def rows(query: str, *params: object) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        return cursor.fetchall()


def tables() -> set[str]:
    return {name for (name,) in rows("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")}


def test_it_works(db):
    assert {"memories_message", "memories_messageembedding", "memories_embeddingjob"} <= set(DISTRIBUTED)
    assert {"tenants_tenant", "memories_embeddingspace"} <= REFERENCE
    assert FIRST


def test_every_table_has_one_place(db):
    ours = {name for name in tables() if name.startswith(("memories_", "tenants_", "retention_"))}
    assert (set(DISTRIBUTED) | REFERENCE | LOCAL) & ours == ours
    assert set(DISTRIBUTED) | REFERENCE | LOCAL <= tables()
    assert not set(DISTRIBUTED) & REFERENCE
    assert not LOCAL & (set(DISTRIBUTED) | REFERENCE)


def test_every_table_with_a_tenant_is_distributed_by_it_or_said_not_to_be(db):
    with_tenant = {
        name
        for (name,) in rows(
            "SELECT relname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid "
            "WHERE attname = 'tenant_id' AND relkind = 'r' AND relnamespace = current_schema()::regnamespace"
        )
    }
    assert set(DISTRIBUTED.values()) == {"tenant_id"}
    assert set(DISTRIBUTED) <= with_tenant
    assert with_tenant - set(DISTRIBUTED) <= REFERENCE | LOCAL


def test_every_key_of_a_distributed_table_has_the_tenant(db):
    keys = rows(
        """SELECT indrelid::regclass::text, indexrelid::regclass::text, indisprimary, array_agg(attname::text)
           FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey[0:indnkeyatts - 1])
           WHERE indisunique AND indrelid::regclass::text = ANY (%s) GROUP BY 1, 2, 3""",
        list(DISTRIBUTED),
    )
    lacking = {(table, primary) for table, _, primary, columns in keys if "tenant_id" not in columns}
    assert lacking == {(table, True) for table in FIRST}


def test_no_distributed_table_is_without_a_primary_key(db):
    keyed = {name for (name,) in rows("SELECT indrelid::regclass::text FROM pg_index WHERE indisprimary")}
    assert set(DISTRIBUTED) <= keyed


def test_foreign_keys_stay_on_their_node(db):
    """Between distributed tables on the tenant, in the same place of both; or to a reference table."""
    found = rows(
        """SELECT conrelid::regclass::text, confrelid::regclass::text,
               ARRAY(SELECT attname::text FROM unnest(conkey) WITH ORDINALITY AS k(n, i)
                     JOIN pg_attribute ON attrelid = conrelid AND attnum = k.n ORDER BY i),
               ARRAY(SELECT attname::text FROM unnest(confkey) WITH ORDINALITY AS k(n, i)
                     JOIN pg_attribute ON attrelid = confrelid AND attnum = k.n ORDER BY i)
           FROM pg_constraint WHERE contype = 'f' AND conrelid::regclass::text = ANY (%s)""",
        list(DISTRIBUTED),
    )
    assert len(found) > 5
    for table, other, own, theirs in found:
        if other in DISTRIBUTED:
            assert ("tenant_id", "tenant_id") in zip(own, theirs, strict=True), (table, other)
        else:
            assert other in REFERENCE, (table, other)


def test_reference_tables_refer_to_nothing_that_is_distributed(db):
    found = rows(
        "SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint WHERE contype = 'f' "
        "AND conrelid::regclass::text = ANY (%s)",
        list(REFERENCE),
    )
    assert not [pair for pair in found if pair[1] not in REFERENCE]


@pytest.mark.parametrize("table", sorted(DISTRIBUTED))
def test_distributed_tables_lie_beside_each_other(table):
    """So that a tenant's rows of all tables are on one node."""
    if table != "memories_message":
        assert (
            f"create_distributed_table('{table}', 'tenant_id', colocate_with => 'memories_message')" in PAGE
        )
