"""The tables as PostgreSQL has them: every tenant-owned row is keyed by its tenant first."""

from random import Random

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from memories.models import EmbeddingSpace, Message, MessageEmbedding
from tests.factories import remember

# Whose rows belong to a tenant as a whole, or to the installation, or live for seconds: found by other means than the
# tenant.
EXEMPT = {"tenants_apikey", "memories_termchange"}
# The outbox is worked off across tenants, in the order in which jobs fall due; what is old is removed in that of age.
ACROSS_TENANTS = {"job_due", "message_terms", "message_metadata", "archived_terms", "idempotency_created"}


def owned_tables() -> list[str]:
    models = [
        model
        for name in ("memories", "retention", "tenants")
        for model in apps.get_app_config(name).get_models()
    ]
    with_tenant = [
        model for model in models if "tenant" in {field.name for field in model._meta.get_fields()}
    ]
    tables = {model._meta.db_table for model in with_tenant if model._meta.get_field("tenant").concrete}
    return sorted(tables - EXEMPT)


def indexes(where: str) -> list[tuple[str, str, list[str]]]:
    """(table, index, its key columns in order); an expression is None."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT tab.relname, ind.relname, array_agg(att.attname ORDER BY key.place)
            FROM pg_index JOIN pg_class tab ON tab.oid = indrelid JOIN pg_class ind ON ind.oid = indexrelid
            CROSS JOIN LATERAL unnest(indkey[0:indnkeyatts - 1]) WITH ORDINALITY AS key(number, place)
            LEFT JOIN pg_attribute att ON att.attrelid = indrelid AND att.attnum = key.number AND key.number > 0
            WHERE tab.relname = ANY(%s) AND {where} GROUP BY 1, 2
            """,
            [owned_tables()],
        )
        return cursor.fetchall()


def test_it_works(db):
    tables = owned_tables()
    assert set(tables) >= {"memories_message", "memories_messageembedding", "memories_embeddingjob"}
    assert {table for table, _, _ in indexes("indisprimary")} == set(tables)


def test_primary_keys_start_with_the_tenant(db):
    for table, index, columns in indexes("indisprimary"):
        assert columns[0] == "tenant_id", (table, index, columns)
        assert len(columns) > 1


def test_what_is_unique_is_unique_within_a_tenant(db):
    for table, index, columns in indexes("indisunique"):
        assert "tenant_id" in columns, (table, index, columns)


def test_every_index_starts_with_the_tenant(db):
    for table, index, columns in indexes("true"):
        assert columns[0] == "tenant_id" or index in ACROSS_TENANTS, (table, index, columns)


@pytest.mark.parametrize(
    ("kept", "table", "whose"),
    [
        (
            {"memories_messageembedding", "memories_embeddingjob", "memories_messagerecall"},
            "memories_message",
            "message",
        ),
        ({"memories_archivedembedding"}, "memories_archivedmessage", "archived message"),
    ],
)
def test_what_belongs_to_a_message_goes_with_it_in_the_database(db, kept, table, whose):
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
            WHERE contype = 'f' AND confrelid = %s::regclass
            """,
            [table],
        )
        found = dict(cursor.fetchall())
    assert set(found) == kept, whose
    for definition in found.values():
        assert definition.startswith("FOREIGN KEY (tenant_id, message_id)")
        assert definition.endswith("ON DELETE CASCADE")


@pytest.mark.parametrize("values", [{"importance": 1.01}, {"importance": float("nan")}, {"role": "robot"}])
def test_the_database_refuses_what_the_api_would(acme, values):
    [message] = remember(acme, "hello")
    with pytest.raises(IntegrityError), transaction.atomic():
        Message.objects.filter(pk=message.pk).update(**values)


def test_the_longest_vector_fits_into_the_index(acme, settings):
    [message] = remember(acme, "hello")
    space = EmbeddingSpace.objects.get()
    random = Random(0)  # numbers alike would be compressed
    vector = [random.uniform(-1, 1) for _ in range(settings.MAX_DIMENSIONS)]
    MessageEmbedding.objects.create(
        tenant=acme, space=space, message_id=message.id, part=32767, bucket=2**31 - 1, embedding=vector
    )
    assert MessageEmbedding.objects.get(tenant=acme).embedding == pytest.approx(vector, abs=1e-3)


def test_models_and_migrations_agree(db):
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
