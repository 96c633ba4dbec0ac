"""Everything of a user, a conversation, or a whole tenant, as lines of JSON: the memory, the archive, and what is
marked as deleted.

Read in pages by one statement each, so it takes little memory, holds no transaction open for a slow reader, and works
behind a pooler. A message that is moved between two pages keeps its place, and so is neither lost nor doubled.
"""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import structlog

from memories import statements, suppression
from memories.models import Subject
from memories.querysets import FAILED, PENDING, READY
from tenants import audit, isolation
from tenants.audit_actions import AuditAction
from tenants.models import Tenant

log = structlog.get_logger(__name__)

# A message has up to 80 KiB.
PAGE = 200

_FIELDS = """
    m.id, m.external_id, m.conversation_id, m.role, nullif(m.name, '') AS name, nullif(m.user_id, '') AS user_id,
    nullif(m.agent_id, '') AS agent_id, m.content, m.metadata, m.importance, m.importance_is_explicit, m.pinned,
    m.language, m.created_at, m.stored_at
"""
_STATUS = f"CASE WHEN j.buried IS NULL THEN '{READY}' WHEN j.buried THEN '{FAILED}' ELSE '{PENDING}' END"
_IN_MEMORY = f"""
    SELECT {_FIELDS}, {_STATUS} AS embedding_status, r.last_recalled_at, false AS archived,
           NULL::timestamptz AS archived_at, NULL::text AS archive_policy, NULL::text AS archive_reason,
           NULL::timestamptz AS deleted_at, NULL::text AS deletion_reason
    FROM memories_message m
    LEFT JOIN memories_messagerecall r ON r.tenant_id = m.tenant_id AND r.message_id = m.id
    LEFT JOIN LATERAL (
        SELECT bool_or(job.buried_at IS NOT NULL) AS buried FROM memories_embeddingjob job
        JOIN memories_embeddingspace space ON space.id = job.space_id AND space.active
        WHERE job.tenant_id = m.tenant_id AND job.message_id = m.id) AS j ON true
"""
# No job and no vector: the space came while it was away, and it gets its job when it comes back.
_IN_ARCHIVE = f"""
    SELECT {_FIELDS}, CASE WHEN j.buried IS NULL AND e.space_id IS NULL THEN '{PENDING}' ELSE {_STATUS} END,
           m.last_recalled_at, true, m.archived_at, m.policy, m.reason, m.deleted_at,
           nullif(m.deletion_reason, '')
    FROM memories_archivedmessage m
    LEFT JOIN LATERAL (
        SELECT bool_or(job.buried_at IS NOT NULL) AS buried
        FROM jsonb_to_recordset(m.jobs) AS job(space_id smallint, buried_at timestamptz)
        JOIN memories_embeddingspace space ON space.id = job.space_id AND space.active) AS j ON true
    LEFT JOIN LATERAL (
        SELECT v.space_id FROM memories_archivedembedding v
        JOIN memories_embeddingspace space ON space.id = v.space_id AND space.active
        WHERE v.tenant_id = m.tenant_id AND v.message_id = m.id AND v.part = 0) AS e ON true
"""
# The place after the last line: a user's or a conversation's messages as they were said, a tenant's as stored.
_AFTER = "(m.created_at, m.id) > (%(moment)s::timestamptz, %(id)s::uuid)"
_OF_A_USER = f"m.user_id = %(subject)s::text AND m.user_id <> '' AND {_AFTER}"
_OF_A_CONVERSATION = f"m.conversation_id = %(subject)s::text AND {_AFTER}"
_OF_A_TENANT = "m.id > %(id)s::uuid"


def lines(*, tenant: Tenant, user_id: str | None = None, conversation_id: str | None = None) -> Iterator[str]:
    """One message a line, each with its line end. The last line is `{"exported": n, "complete": true}`.

    Of a user or a conversation; of neither: of the tenant. Without that last line the export was cut off. That there
    was one is noted before the first line leaves.
    """
    if user_id is not None:
        sql, subject = _page(_OF_A_USER, "created_at, id"), user_id
        _note(AuditAction.USER_EXPORT, tenant, Subject.USER, user_id)
    elif conversation_id is not None:
        sql, subject = _page(_OF_A_CONVERSATION, "created_at, id"), conversation_id
        _note(AuditAction.CONTENT_VIEW, tenant, Subject.CONVERSATION, conversation_id)
    else:
        sql, subject = _page(_OF_A_TENANT, "id"), ""
        audit.record(AuditAction.TENANT_EXPORT, tenant_id=tenant.id, of="tenant", id=tenant.id)
    given: dict[str, Any] = {"tenant": tenant.id, "subject": subject, "limit": PAGE}
    place: dict[str, Any] = {"id": UUID(int=0), "moment": "-infinity"}
    exported = 0
    reach = isolation.current()  # the request may have ended when the next page is read
    while rows := _read(reach, sql, given | place):
        for _, _, line in rows:
            yield f"{line}\n"
        exported += len(rows)
        place = {"id": rows[-1][0], "moment": rows[-1][1]}
    log.info("exported", tenant=tenant.id, messages=exported, whole_tenant=not subject)
    yield json.dumps({"exported": exported, "complete": True}) + "\n"


def _note(action: AuditAction, tenant: Tenant, kind: Subject, subject: str) -> None:
    """Whose, by the digest that an erasure's receipt has too."""
    digest = suppression.digest(tenant_id=tenant.id, kind=kind, subject=subject)
    audit.record(action, tenant_id=tenant.id, of=kind, id=digest.hex())


def _read(reach: isolation.Reach, sql: str, given: dict[str, Any]) -> list[tuple[Any, ...]]:
    with isolation.reaching(reach):
        return statements.rows(sql, given)


def _page(condition: str, order: str) -> str:
    parts = " UNION ALL ".join(
        f"({select} WHERE m.tenant_id = %(tenant)s::bigint AND {condition} ORDER BY {order} LIMIT %(limit)s::int)"
        for select in (_IN_MEMORY, _IN_ARCHIVE)
    )
    return f"""
        SELECT id, created_at, row_to_json(line)::text FROM ({parts}) AS line ORDER BY {order} LIMIT %(limit)s::int
    """
