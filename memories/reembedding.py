"""Changing the embedding model without an hour of downtime.

Every space gets a job for every message that is stored or edited from its creation on; `fill` makes the jobs for those
that were there before. The active space alone answers searches, until `switch`. The old one is kept up like any other
until it is dropped, so switching back works at any time; that costs a second embedding of every new message.
The archive is not filled: an archived message is found by its words in a space that is younger than its leaving.

Invariant: a message without a vector in a space has a job for it, or is found by `fill` (which may be run again and
again), or is counted as missing by `Progress`, which is what `switch` asks.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from memories import tasks
from memories.embeddings import Identity
from memories.embeddings.batches import BYTES_PER_TOKEN
from memories.models import Centroid, EmbeddingSpace
from memories.passages import LONG_WORDS
from memories.spaces import REMEMBERED_SECONDS, forget_active_space

CHUNK = 1000
# So few bytes make no long text (memories.passages) but in odd mixtures of scripts; a long one is embedded twice over.
SHORT_BYTES = 1000
# The archive's go too: a message that comes back gets a job for each space that there is then.
_VECTOR_TABLES = ("memories_messageembedding", "memories_archivedembedding")

_FILL = """
    WITH chunk AS MATERIALIZED (
        SELECT tenant_id, id FROM memories_message WHERE (tenant_id, id) > (%s, %s)
        ORDER BY tenant_id, id LIMIT %s FOR KEY SHARE
    ), made AS (
        INSERT INTO memories_embeddingjob (tenant_id, message_id, space_id, attempts, last_error)
        SELECT tenant_id, id, %s, 0, '' FROM chunk WHERE NOT EXISTS (
            SELECT FROM memories_messageembedding e
            WHERE e.tenant_id = chunk.tenant_id AND e.message_id = chunk.id AND e.space_id = %s AND e.part = 0)
        ON CONFLICT (tenant_id, message_id, space_id) DO NOTHING RETURNING 1)
    SELECT (SELECT count(*) FROM made), tenant_id, id FROM chunk ORDER BY tenant_id DESC, id DESC LIMIT 1
"""


class CannotSwitch(Exception):
    """The space is not ready to answer searches; the message says what is missing."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How full a space is. `missing` counts messages that have a vector in the active space and none here;
    `buried` those of them that were given up, `waiting` those that have an open job."""

    messages: int
    embedded: int
    missing: int
    waiting: int
    buried: int


# Of a message: its tenant and its id.
Place = tuple[int, UUID]
BEFORE_ALL: Place = (0, UUID(int=0))


@dataclass(frozen=True, kw_only=True)
class Made:
    """How many jobs a chunk made, and the place of its last message."""

    jobs: int
    after: Place


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What filling a space would take: messages without a vector in it, and their tokens, estimated safely."""

    messages: int
    tokens: int


def space_for(identity: Identity) -> EmbeddingSpace:
    """The space of that identity, made if it is new; from its commit on it gets every new message."""
    space, _ = EmbeddingSpace.objects.get_or_create(**identity._asdict())
    return space


def estimate(space: EmbeddingSpace) -> Estimate:
    """Read over all messages: seconds for millions."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*), coalesce(sum((octet_length(content) + octet_length(name) + %s) / %s
                                          * CASE WHEN word_count > %s OR octet_length(content) > %s THEN 2 ELSE 1 END
                                         ), 0)
            FROM memories_message m WHERE NOT EXISTS (
                SELECT FROM memories_messageembedding e
                WHERE e.tenant_id = m.tenant_id AND e.message_id = m.id AND e.space_id = %s AND e.part = 0)
            """,
            [BYTES_PER_TOKEN + 1, BYTES_PER_TOKEN, LONG_WORDS, SHORT_BYTES, space.id],
        )
        messages, tokens = cursor.fetchone()
    return Estimate(messages=messages, tokens=int(tokens))


def fill(space: EmbeddingSpace, *, after: Place = BEFORE_ALL) -> Iterator[Made]:
    """Make the missing jobs of messages after a place, a chunk and a transaction at a time; yields what each made.

    The caller throttles by taking the next chunk when it likes. Broken off, it is simply run again.
    """
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_FILL, [*after, CHUNK, space.id, space.id])
            row = cursor.fetchone()
            if row is None:
                return
            transaction.on_commit(tasks.hint)
        jobs, after = row[0], (row[1], row[2])
        yield Made(jobs=jobs, after=after)


def progress(space: EmbeddingSpace) -> Progress:
    """Counted over all messages: seconds for millions."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (SELECT count(*) FROM memories_message),
                   (SELECT count(*) FROM memories_messageembedding WHERE space_id = %s AND part = 0),
                   count(*), count(*) FILTER (WHERE j.id IS NOT NULL AND j.buried_at IS NULL),
                   count(*) FILTER (WHERE j.buried_at IS NOT NULL)
            FROM memories_messageembedding active
            JOIN memories_embeddingspace s ON s.id = active.space_id AND s.active
            LEFT JOIN memories_embeddingjob j
              ON j.tenant_id = active.tenant_id AND j.message_id = active.message_id AND j.space_id = %s
            WHERE active.part = 0 AND NOT EXISTS (
                SELECT FROM memories_messageembedding e WHERE e.tenant_id = active.tenant_id
                  AND e.message_id = active.message_id AND e.space_id = %s AND e.part = 0)
            """,
            [space.id, space.id, space.id],
        )
        messages, embedded, missing, waiting, buried = cursor.fetchone()
    return Progress(messages=messages, embedded=embedded, missing=missing, waiting=waiting, buried=buried)


def switch(space: EmbeddingSpace) -> None:
    """From now on searches read this space. Raises CannotSwitch if it is not complete.

    Complete means that nothing would be found less well than now: no message lost a vector, save those that are being
    embedded this moment, at most one batch, which are found by their words until then.
    """
    state = progress(space)
    if state.missing > state.waiting:
        lacking = state.missing - state.waiting - state.buried
        raise CannotSwitch(
            f"{space} lacks {state.missing} messages: {lacking} were never asked for (run reembed), "
            f"{state.buried} were given up (see the jobs)."
        )
    if state.waiting > settings.ENV.embedding_batch_size:
        raise CannotSwitch(f"{space} is still being filled: {state.waiting} messages wait for their vectors.")
    with transaction.atomic():
        # In the order of ids, so that two switches at once wait for each other instead of deadlocking.
        list(EmbeddingSpace.objects.select_for_update(no_key=True).order_by("id"))
        EmbeddingSpace.objects.filter(active=True).update(active=False)
        EmbeddingSpace.objects.filter(id=space.id).update(active=True)
        transaction.on_commit(forget_active_space)


def drop(space: EmbeddingSpace) -> int:
    """Remove a space with its jobs, and its vectors in chunks; how many vectors went. ValueError for the active one.

    Waits first until no process takes it for the active one any more, should it have been that a moment ago.
    """
    if EmbeddingSpace.objects.filter(id=space.id, active=True).exists():
        raise ValueError(f"{space} is the active space: switch to another one first.")
    time.sleep(REMEMBERED_SECONDS)
    dropped = 0
    while EmbeddingSpace.objects.filter(id=space.id).exists():
        _drop_rows(space, "memories_embeddingjob", limit=None)
        for table in _VECTOR_TABLES:
            while removed := _drop_rows(space, table, limit=CHUNK):
                dropped += removed
        Centroid.objects.filter(space=space).delete()
        _remove_if_empty(space)
    return dropped


def _remove_if_empty(space: EmbeddingSpace) -> None:
    """Whoever stores or moves a message meanwhile makes a row of the space: it then stays, and all is done again."""
    try:
        with transaction.atomic():
            EmbeddingSpace.objects.filter(id=space.id, active=False)._raw_delete(using="default")
    except IntegrityError:
        return


def _drop_rows(space: EmbeddingSpace, table: str, *, limit: int | None) -> int:
    """Rows that a worker has locked are left to the next look: who waited for them might hold what it wants next."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"""DELETE FROM {table} WHERE ctid = ANY(ARRAY(
                   SELECT ctid FROM {table} WHERE space_id = %s LIMIT %s FOR UPDATE SKIP LOCKED))""",  # noqa: S608 - ours
            [space.id, limit],
        )
        return int(cursor.rowcount)
