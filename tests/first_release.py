"""A database as the first version made it: its tables, filled by SQL that knows nothing of today's models."""

from typing import Any

import psycopg
from django.core.management import call_command
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import Jsonb

from memories.embeddings import configured, embed
from memory_layer.embedded import postgres
from tenants import keys
from tests.databases import url_of

# Backwards they are undone in this order; what came later goes first.
TARGETS = (
    ("retention", "zero"),
    ("memory_layer", "zero"),
    ("memories", "0002_layout"),
    ("tenants", "0001_initial"),
)
TEXTS = [
    f"{speaker} {what} in {where}"
    for speaker in ("Mia", "Tom")
    for what in ("lost the keys", "planted tomatoes", "played chess", "baked bread")
    for where in ("Lisbon", "the garden", "the old town")
]
# The columns of then: what must be found again, unchanged.
KEPT = {
    "tenants_tenant": "id, name, created_at, similarity_weight, importance_weight, decay_weight, half_life_days",
    "tenants_apikey": "id, name, prefix, digest, scopes, tenant_id, created_at",
    "memories_message": "tenant_id, id, conversation_id, role, name, user_id, agent_id, external_id, content, "
    "metadata, importance, importance_is_explicit, pinned, word_count, created_at, stored_at",
    "memories_embeddingspace": "id, provider, model, dimensions, active",
    "memories_messageembedding": "tenant_id, space_id, message_id, embedding::text",
    "memories_embeddingjob": "tenant_id, message_id, space_id, attempts, last_error, buried_at IS NULL",
}


def migrate(*words: str) -> None:
    """`manage.py migrate` of the database that Django uses."""
    call_command("migrate", *words, interactive=False, verbosity=0)


def back_to_first() -> None:
    """The tables of the first version, from whatever is there."""
    for app, target in TARGETS:
        migrate(app, target)


def message(number: int) -> dict[str, Any]:
    """As a bot would send it again."""
    return {
        "conversation_id": f"c{number % 3}",
        "role": "user",
        "user_id": "u1",
        "external_id": f"e{number}",
        "content": TEXTS[number],
        "metadata": {"n": number, "ß": "é"},
        "importance": 0.5,
        "pinned": number == 3,
    }


def rows(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that the first version knew, by table, sorted. As the superuser, from whom no row is kept."""
    with psycopg.connect(url_of(conninfo_to_dict(url)["dbname"], user=postgres.SUPERUSER)) as connection:
        return {
            table: sorted(connection.execute(f"SELECT {columns} FROM {table}").fetchall(), key=repr)
            for table, columns in KEPT.items()
        }


def fill(url: str) -> keys.NewKey:
    """Two tenants with the same texts; of the first, one message is not embedded yet and one was refused."""
    space = configured()._asdict()
    vectors = [f"[{','.join(map(str, vector))}]" for vector in embed(TEXTS)]
    key = keys.make()
    with psycopg.connect(url) as connection:
        [(space_id,)] = connection.execute(
            "INSERT INTO memories_embeddingspace (provider, model, dimensions, active) "
            "VALUES (%(provider)s, %(model)s, %(dimensions)s, true) RETURNING id",
            space,
        ).fetchall()
        for tenant in ("acme", "globex"):
            [(tenant_id,)] = connection.execute(
                "INSERT INTO tenants_tenant (name, half_life_days) VALUES (%s, 45) RETURNING id", [tenant]
            ).fetchall()
            for number in range(len(TEXTS)):
                message_id = _message(connection, tenant_id, number)
                kind = number if tenant == "acme" else len(TEXTS)
                _vector_or_job(connection, (tenant_id, space_id, message_id), kind, vectors[number])
        connection.execute(
            "INSERT INTO tenants_apikey (name, prefix, digest, scopes, tenant_id) "
            "SELECT 'bot', %s, %s, '{read,write}', id FROM tenants_tenant WHERE name = 'acme'",
            [key.prefix, key.digest],
        )
    return key


def _message(connection: psycopg.Connection[Any], tenant_id: int, number: int) -> Any:
    given = message(number)
    values = given | {
        "tenant": tenant_id,
        "metadata": Jsonb(given["metadata"]),
        "words": len(given["content"].split()),
        "days": number,
    }
    [(message_id,)] = connection.execute(
        """INSERT INTO memories_message (tenant_id, id, conversation_id, role, name, user_id, agent_id, external_id,
               content, metadata, importance, importance_is_explicit, pinned, word_count, created_at)
           VALUES (%(tenant)s, gen_random_uuid(), %(conversation_id)s, %(role)s, '', %(user_id)s, '', %(external_id)s,
               %(content)s, %(metadata)s, %(importance)s, true, %(pinned)s, %(words)s,
               now() - make_interval(days => %(days)s)) RETURNING id""",
        values,
    ).fetchall()
    return message_id


def _vector_or_job(
    connection: psycopg.Connection[Any], key: tuple[int, int, Any], number: int, vector: str
) -> None:
    if number > 1:
        connection.execute(
            "INSERT INTO memories_messageembedding (tenant_id, space_id, message_id, embedding) "
            "VALUES (%s, %s, %s, %s)",
            [*key, vector],
        )
        return
    connection.execute(
        "INSERT INTO memories_embeddingjob (tenant_id, space_id, message_id, attempts, last_error, buried_at) "
        "VALUES (%s, %s, %s, 0, %s, %s)",
        [*key, *(("", None) if number == 0 else ("refused", "2026-01-01"))],
    )
