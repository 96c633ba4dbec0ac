"""Indexing a tenant's messages anew after the language of its full text has changed.

What there is to do is counted, not noted: `lexicon` counts the messages in each language, and those in another than the
tenant's are indexed anew. So it does not matter how often or how fast a setting changes, who stores what meanwhile,
and where a run was killed: what is left is still counted, and the next run takes it. Meanwhile searches look for the
words of all these languages.
"""

import math
import time
from typing import NamedTuple
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import F, Sum

from memories import caching, lexicon
from memories.models import Corpus
from tenants.models import Tenant

log = structlog.get_logger(__name__)

# Messages of a transaction: an edit waits for one of these at most, some 100 ms.
CHUNK = 1000

# The document is a generated column, and the trigger counts its terms. Rows that somebody is editing are left to the
# next run: waiting for them while others are locked could end in a deadlock.
_CHUNK = """
    WITH wanted AS MATERIALIZED (SELECT language FROM tenants_tenant WHERE id = %(tenant)s)
    UPDATE memories_message SET language = (SELECT language FROM wanted)
    WHERE tenant_id = %(tenant)s AND id = ANY(ARRAY(
        SELECT id FROM memories_message
        WHERE tenant_id = %(tenant)s AND id > %(after)s AND language <> (SELECT language FROM wanted)
        ORDER BY id LIMIT %(chunk)s FOR NO KEY UPDATE SKIP LOCKED))
    RETURNING id
"""


class Due(NamedTuple):
    """A tenant, and how many of its messages are counted in another language than its own."""

    tenant_id: int
    tenant: str
    messages: int


def due(tenant: Tenant | None = None) -> list[Due]:
    """What is to be indexed anew, by the name of the tenant."""
    corpora = Corpus.objects.exclude(language=F("tenant__language")).filter(messages__gt=0)
    if tenant is not None:
        corpora = corpora.filter(tenant=tenant)
    counts = corpora.values_list("tenant_id", "tenant__name").annotate(Sum("messages"))
    return [Due._make(row) for row in counts.order_by("tenant__name")]


def reindex(*, tenant: Tenant | None = None, seconds: float = math.inf) -> int:
    """Index anew what is due, of one tenant or of all; how many messages. Stops after the chunk that ends so late.

    Safe to run twice, and beside others. Messages that are being stored or edited meanwhile are left to the next run.
    """
    total, deadline = 0, time.monotonic() + seconds
    for each in due(tenant):
        after = UUID(int=0)
        while done := _reindex_chunk(each.tenant_id, after):
            total, after = total + len(done), max(done)
            lexicon.fold(
                chunk=2 * CHUNK
            )  # each message is two changes: what waits to be counted does not grow
            if time.monotonic() > deadline:
                return total
        log.info("tenant_reindexed", tenant=each.tenant)
    return total


def _reindex_chunk(tenant_id: int, after: UUID) -> list[UUID]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CHUNK, {"tenant": tenant_id, "after": after, "chunk": CHUNK})
        done = [row[0] for row in cursor.fetchall()]
        if done:
            caching.forget_answers([tenant_id])
    return done
