"""The jobs that a worker holds under a lease: claimed, finished with their vectors, put off, or given back.

Invariants:
- A job row exists from the commit of its message until its vector is stored. Only `finish` removes it.
- Locks are taken in one order everywhere: message, space, job, embedding. Deleting a message locks it first
  too, so it waits for a running `finish` and then takes the new vector along (ON DELETE CASCADE). So does
  removing a space, which then stays, as there is a vector of it.
- A vector is stored only by the worker whose lease token the job still carries: a worker that was too slow, or
  whose text was edited meanwhile, stores nothing.
- The vectors of a message, of its whole text and of its passages, are stored together or not at all.
"""

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from memories import caching, metrics, statements, stored_vectors
from memories.embeddings import EmbeddingError, Fault, Vector
from memories.models import EmbeddingJob
from memories.passages import passages

log = structlog.get_logger(__name__)

BACKOFF_BASE_SECONDS = 2.0
BACKOFF_CAP_SECONDS = 300.0
_ERROR_LENGTH = 500
# So many jobs and tenants of a failed batch stand in its log line.
_NAMED = 10
# As EmbeddingJobQuerySet.due, for statements by hand.
DUE = "buried_at IS NULL AND next_attempt_at <= statement_timestamp()"
# The limit is part of the text: a plan that is kept must know that few rows are wanted.
_CLAIM = f"""
    WITH due AS (
        SELECT tenant_id, id FROM memories_embeddingjob
        WHERE {DUE} AND space_id = %s::smallint AND tenant_id <> ALL(%s::bigint[])
        ORDER BY next_attempt_at LIMIT {{limit}} FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE memories_embeddingjob job
        SET lease_token = %s::uuid, attempts = LEAST(attempts + 1, 32767),
            next_attempt_at = statement_timestamp() + make_interval(secs => %s::float8)
        FROM due WHERE job.tenant_id = due.tenant_id AND job.id = due.id
        RETURNING job.id, job.tenant_id, job.message_id, job.attempts
    )
    SELECT claimed.id, claimed.tenant_id, claimed.message_id, claimed.attempts, message.name, message.content
    FROM claimed JOIN memories_message message
      ON message.tenant_id = claimed.tenant_id AND message.id = claimed.message_id
"""  # noqa: S608 - made of constants
_REMOVE = """
    DELETE FROM memories_embeddingjob
    WHERE (tenant_id, id) IN (SELECT * FROM unnest(%s::bigint[], %s::bigint[])) AND lease_token = %s::uuid
    RETURNING tenant_id, message_id
"""
# Of batches that this process has begun and could not end, most often because the database went away.
_abandoned: list[uuid.UUID] = []


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A job that this worker holds until its lease ends. `texts`: the whole text, then its passages if it is long."""

    job_id: int
    tenant_id: int
    message_id: uuid.UUID
    attempts: int
    texts: tuple[str, ...]


def embedded_text(name: str, content: str) -> str:
    """What a message's vector is made of: the speaker's name helps to find who said it (docs/ranking.md)."""
    return f"{name}: {content}" if name else content


def embedded_texts(name: str, content: str) -> tuple[str, ...]:
    """All texts of a message that get a vector: the whole, and the passages of a long one, each with the name."""
    return tuple(embedded_text(name, text) for text in (content, *passages(content)))


def abandon(token: uuid.UUID) -> None:
    """This process could not end what it holds under the token: `give_back` does what the moment may not allow."""
    _abandoned.append(token)


def give_back() -> None:
    """Give back what this process had claimed and could not end, rather than wait for the end of its lease."""
    while _abandoned:
        left = EmbeddingJob.objects.filter(lease_token=_abandoned[-1])
        left.update(next_attempt_at=Now(), lease_token=None)
        _abandoned.pop()


def claim(*, space_id: int, token: uuid.UUID, without: Sequence[int] = ()) -> list[Claim]:
    """Take due jobs under a lease. SKIP LOCKED lets several workers claim at once without waiting."""
    env = settings.ENV
    rows = statements.rows(
        _CLAIM.format(limit=int(env.embedding_batch_size)),
        [space_id, statements.simple_array(without), token, env.embedding_lease_seconds],
    )
    return [
        Claim(
            job_id=job,
            tenant_id=tenant,
            message_id=message,
            attempts=tries,
            texts=embedded_texts(name, content),
        )
        for job, tenant, message, tries, name, content in rows
    ]


def finish(claims: Sequence[Claim], vectors: Sequence[Vector], *, space_id: int, token: uuid.UUID) -> int:
    """Store the vectors of the jobs that are still ours and remove those jobs; how many messages were stored.

    `vectors` holds one for each text of each claim, in their order.
    """
    in_order = iter(vectors)
    by_message = {
        (claim.tenant_id, claim.message_id): list(islice(in_order, len(claim.texts))) for claim in claims
    }
    tenants, messages = [claim.tenant_id for claim in claims], [claim.message_id for claim in claims]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT FROM memories_message message, memories_embeddingspace space
            WHERE (message.tenant_id, message.id) IN (SELECT * FROM unnest(%s::bigint[], %s::uuid[]))
              AND space.id = %s
            ORDER BY message.tenant_id, message.id FOR KEY SHARE OF message, space
            """,
            [tenants, messages, space_id],
        )
        jobs = statements.simple_array(claim.job_id for claim in claims)
        ours = statements.rows(_REMOVE, [statements.simple_array(tenants), jobs, token])
        stored_vectors.replace(
            {(tenant, message): by_message[tenant, message] for tenant, message in ours}, space_id=space_id
        )
        caching.forget_answers({tenant for tenant, _ in ours})
    return len(ours)


def put_off(claims: Sequence[Claim], error: EmbeddingError, *, token: uuid.UUID) -> None:
    """Back off, or bury a text that the provider refuses. Outages never bury anything, however long they last."""
    buried = error.fault is Fault.TEXT
    log.warning(
        "embedding_failed",
        fault=error.fault.value,
        error=str(error)[:_ERROR_LENGTH],
        jobs=len(claims),
        job_ids=[claim.job_id for claim in claims[:_NAMED]],
        tenants=sorted({claim.tenant_id for claim in claims})[:_NAMED],
        buried=buried,
    )
    metrics.EMBEDDING_FAILURES.labels(error.fault.value).inc()
    jobs = EmbeddingJob.objects.filter(lease_token=token, id__in=[claim.job_id for claim in claims])
    jobs = jobs.filter(tenant_id__in={claim.tenant_id for claim in claims})
    if buried:
        jobs.update(buried_at=Now(), last_error=str(error)[:_ERROR_LENGTH], lease_token=None)
        caching.forget_answers({claim.tenant_id for claim in claims})
        return
    wait = max(error.retry_after_seconds, _backoff_seconds(max(claim.attempts for claim in claims)))
    jobs.update(
        next_attempt_at=Now() + timedelta(seconds=wait),
        last_error=str(error)[:_ERROR_LENGTH],
        lease_token=None,
    )


def _backoff_seconds(attempts: int) -> float:
    """Exponential back-off with full jitter: uniform in 0..min(cap, base * 2^(attempts - 1)).

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    ceiling = min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2 ** min(attempts - 1, 16))
    return random.uniform(0, ceiling)  # noqa: S311 - spreads load, guards nothing
