"""When a message was last in an answer: noted while answers are sent, moved to the database each minute.

A search must not write to the database, nor wait for Redis to know what it recalled (0.1 ms of its CPU). So it notes
that in its process; a thread brings it to one hash in Redis a second later: "tenant id:message id" -> epoch seconds.
Nothing depends on it but policies that ask how long ago a message was recalled, in days: without Redis recalls are
lost, and with a process that dies those of its last second, and nothing else. `flush` writes first and removes then,
so a crash loses nothing; of two recalls of a message in the same moment the older may be the one that is kept.
"""

import threading
import time
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from memories import caching
from memories.later import Later

BRING_SECONDS = 1.0
CHUNK = 1000

# In the order of the key: two that flush at once wait for each other. A message that is being archived is waited for,
# and the next statement finds it in the archive.
_WRITE = """
    WITH noted AS MATERIALIZED (
        SELECT * FROM unnest(%(tenants)s::bigint[], %(ids)s::uuid[], %(times)s::float8[]) AS noted(tenant_id, id, at)
    ), there AS MATERIALIZED (
        SELECT m.tenant_id, m.id, noted.at FROM noted JOIN memories_message m USING (tenant_id, id)
        ORDER BY m.tenant_id, m.id FOR KEY SHARE OF m
    ), written AS (
        INSERT INTO memories_messagerecall AS known (tenant_id, message_id, last_recalled_at)
        SELECT tenant_id, id, to_timestamp(at) FROM there ORDER BY tenant_id, id
        ON CONFLICT (tenant_id, message_id) DO UPDATE SET last_recalled_at = excluded.last_recalled_at
        WHERE known.last_recalled_at < excluded.last_recalled_at)
    SELECT count(*) FROM there
"""
_WRITE_ARCHIVED = """
    UPDATE memories_archivedmessage a SET last_recalled_at = greatest(a.last_recalled_at, to_timestamp(noted.at))
    FROM unnest(%(tenants)s::bigint[], %(ids)s::uuid[], %(times)s::float8[]) AS noted(tenant_id, id, at)
    WHERE a.tenant_id = noted.tenant_id AND a.id = noted.id
"""


# "tenant id:message id" -> epoch seconds: of all answers of the last second.
_pending: dict[str, int] = {}
_lock = threading.Lock()


def note(*, tenant_id: int, message_ids: Iterable[str]) -> None:
    """These messages are in an answer that is sent now. Never raises."""
    now = int(time.time())
    noted = {f"{tenant_id}:{each}": now for each in message_ids}
    if noted:
        with _lock:
            _pending.update(noted)
        _later.wake()


def bring() -> None:
    """What this process noted goes to Redis, in one round trip; it is lost if that is down."""
    with _lock:
        noted = dict(_pending)
        _pending.clear()
    if noted:
        caching.with_redis(lambda redis: redis.hset(_key(), mapping=noted))


_later = Later(BRING_SECONDS, bring)


def flush() -> int:
    """Move all that waits into the database; how many messages. Safe to run twice at once. 0 while Redis is down.

    What other processes noted in this second comes with the next one.
    """
    bring()
    key, moved, place = _key(), 0, 0
    while True:
        found = caching.with_redis(lambda redis: redis.hscan(key, place, count=CHUNK))  # noqa: B023 - called at once
        if found is None:
            return moved
        place, noted = found
        if noted:
            moved += _write(noted)
            caching.with_redis(lambda redis: redis.hdel(key, *noted))  # noqa: B023 - called at once
        if not place:
            return moved


def forget(*, tenant_id: int, message_ids: Iterable[UUID]) -> None:
    """Nothing of these messages waits any more, but what other processes noted just now, or all of it with Redis down:
    that is left to `flush`, which drops what is gone.
    """
    bring()
    fields = [f"{tenant_id}:{each}" for each in message_ids]
    if fields:
        caching.with_redis(lambda redis: redis.hdel(_key(), *fields))


def waiting() -> int | None:
    """How many messages wait; None if Redis does not say."""
    return caching.with_redis(lambda redis: int(redis.hlen(_key())))


def _write(noted: dict[bytes, bytes]) -> int:
    keys = [field.decode().split(":") for field in noted]
    given: dict[str, Any] = {
        "tenants": [int(tenant_id) for tenant_id, _ in keys],
        "ids": [message_id for _, message_id in keys],
        "times": [float(at) for at in noted.values()],
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_WRITE, given)
        moved = int(cursor.fetchone()[0])
        if moved < len(keys):
            cursor.execute(_WRITE_ARCHIVED, given)
            moved += cursor.rowcount
    return moved


def _key() -> str:
    return caching.key_of("recalls")
