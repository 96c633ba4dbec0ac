"""What must hold in the database after every step, whatever was done before."""

from collections.abc import Sequence
from typing import Any

from django.db import connection

from memories import leases, quotas, recount
from memories.models import EmbeddingSpace
from tenants.models import Tenant
from tests.fake_provider import unit_vector_of
from tests.model.expected import Memory

# Each finds what must not be; with a name for the report.
NEVER = {
    "in the memory and in the archive": """
        SELECT id FROM memories_message JOIN memories_archivedmessage USING (tenant_id, id)""",
    "a message with neither a job nor a vector": """
        SELECT m.id, s.id FROM memories_message m CROSS JOIN memories_embeddingspace s
        WHERE NOT EXISTS (SELECT FROM memories_embeddingjob j WHERE j.tenant_id = m.tenant_id
                          AND j.message_id = m.id AND j.space_id = s.id)
          AND NOT EXISTS (SELECT FROM memories_messageembedding e WHERE e.tenant_id = m.tenant_id
                          AND e.message_id = m.id AND e.space_id = s.id AND e.part = 0)""",
    "a job of no message": """
        SELECT j.message_id FROM memories_embeddingjob j LEFT JOIN memories_message m
            ON m.tenant_id = j.tenant_id AND m.id = j.message_id WHERE m.id IS NULL""",
    "a vector of no message": """
        SELECT e.message_id FROM memories_messageembedding e LEFT JOIN memories_message m
            ON m.tenant_id = e.tenant_id AND m.id = e.message_id WHERE m.id IS NULL""",
    "a vector of no archived message": """
        SELECT e.message_id FROM memories_archivedembedding e LEFT JOIN memories_archivedmessage m
            ON m.tenant_id = e.tenant_id AND m.id = e.message_id WHERE m.id IS NULL""",
    "an archived vector that is searched for or not, against its message": """
        SELECT m.id FROM memories_archivedembedding e JOIN memories_archivedmessage m
            ON m.tenant_id = e.tenant_id AND m.id = e.message_id WHERE e.searchable <> (m.deleted_at IS NULL)""",
    "a planned move without a run under way": """
        SELECT p.message_id FROM retention_plannedmove p LEFT JOIN retention_retentionrun r
            ON r.tenant_id = p.tenant_id AND r.id = p.run_id AND r.status = 'running' WHERE r.id IS NULL""",
    "a statistic of nothing": """
        SELECT term FROM memories_termstatistic WHERE messages <= 0 UNION ALL
        SELECT language FROM memories_corpus WHERE messages <= 0""",
}
_VECTORS = """
    SELECT m.name, m.content, s.dimensions, array_agg(e.embedding::text ORDER BY e.part)
    FROM memories_message m CROSS JOIN memories_embeddingspace s JOIN memories_messageembedding e
        ON e.tenant_id = m.tenant_id AND e.message_id = m.id AND e.space_id = s.id
    GROUP BY m.tenant_id, m.id, s.id
"""
_PLACES = """
    SELECT id::text, NULL FROM memories_message WHERE tenant_id = %(tenant)s UNION ALL
    SELECT id::text, deleted_at IS NOT NULL FROM memories_archivedmessage WHERE tenant_id = %(tenant)s
"""


def check(memories: Sequence[Memory]) -> None:
    """AssertionError, saying which of them does not hold."""
    for what, sql in NEVER.items():
        assert not (found := rows(sql)), f"{what}: {found}"
    _vectors_are_of_their_texts()
    for memory in memories:
        tenant = Tenant.objects.get(name=memory.name)
        expected = dict.fromkeys(memory.live, None) | {
            key: said.deleted_at is not None for key, said in memory.archive.items()
        }
        assert sorted(rows(_PLACES, {"tenant": tenant.id})) == sorted(expected.items()), memory.name
        assert not recount.check(tenant).wrong, f"statistics of {memory.name}: {recount.check(tenant)}"
        assert quotas.usage(tenant.id).messages == len(memory.live)
        [[erased]] = rows("SELECT count(*) FROM memories_suppression WHERE tenant_id = %s", [tenant.id])
        assert erased == len(memory.erased)
        [[running]] = rows(
            "SELECT count(*) FROM retention_retentionrun WHERE tenant_id = %s AND status = 'running'",
            [tenant.id],
        )
        assert running == (memory.running is not None)


def nothing_waits(refused: str) -> None:
    """After the worker has done all: only what the provider refuses has a job, and that is buried."""
    left = rows(
        """SELECT m.content, j.buried_at IS NOT NULL FROM memories_embeddingjob j
           JOIN memories_message m ON m.tenant_id = j.tenant_id AND m.id = j.message_id"""
    )
    assert all(refused in content and buried for content, buried in left), left
    spaces = EmbeddingSpace.objects.count()
    [[messages]] = rows("SELECT count(*) FROM memories_message WHERE strpos(content, %s) > 0", [refused])
    assert len(left) == spaces * messages


def rows(sql: str, params: Any = ()) -> list[tuple[Any, ...]]:
    """Of a statement of this package."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall())


def _vectors_are_of_their_texts() -> None:
    """A message has the vectors of the text that it has now, all of them and no others, or none yet."""
    for name, content, dimensions, vectors in rows(_VECTORS):
        texts = leases.embedded_texts(name, content)
        assert len(vectors) == len(texts), content
        for text, vector in zip(texts, vectors, strict=True):
            stored = [float(number) for number in vector.strip("[]").split(",")]
            pairs = zip(stored, unit_vector_of(text, dimensions), strict=True)
            assert all(abs(is_ - should) < 1e-2 for is_, should in pairs), text
