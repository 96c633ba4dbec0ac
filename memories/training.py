"""Which tenants need a codebook, or another one, and the steps to it: a bit at a time, one trainer at a time.

Killed at any moment, the next look at the tenant goes on from what the tables say.
"""

import time

import structlog
from django.conf import settings
from django.db import connection, transaction

from memories import codebooks
from memories.codebooks import START, Codebook, Place
from memories.models import EmbeddingSpace
from memories.passages import MAX_PASSAGES

log = structlog.get_logger(__name__)

# Any number that nobody else locks.
_LOCK = 5_318_008_001


def due_tenants(space: EmbeddingSpace) -> list[int]:
    """The tenants that `tend` has something to do for.

    Only tenants whose messages could have so many vectors are counted, and only up to MEMORY_EXACT_SEARCH_VECTORS.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT tenant_id FROM memories_centroid WHERE space_id = %(space)s
            UNION
            SELECT tenant_id FROM memories_corpus GROUP BY tenant_id HAVING sum(messages) * %(parts)s > %(exact)s
            ORDER BY tenant_id
            """,
            {"space": space.id, "parts": 1 + MAX_PASSAGES, "exact": settings.ENV.exact_search_vectors},
        )
        tenants = [tenant for (tenant,) in cursor.fetchall()]
    books = codebooks.newest(tenants, space_id=space.id)
    return [
        tenant
        for tenant in tenants
        if (_needs_work(books[tenant]) if tenant in books else _is_large(tenant, space))
    ]


def tend(tenant_id: int, *, space: EmbeddingSpace, seconds: float) -> bool:
    """Bring the tenant's buckets up to date for about so many seconds; whether all is done.

    Training is not broken off: seconds for 100,000 vectors, half a minute for millions. False as well when another
    trainer is at work anywhere.
    """
    until = time.monotonic() + seconds
    with transaction.atomic():
        if not _only_trainer():
            return False
        book = _codebook(tenant_id, space)
    if book is None:
        return True
    place: Place | None = START
    while place is not None and time.monotonic() < until:
        place = codebooks.assign_chunk(book, after=place)
    return place is None and codebooks.retire_older(book) and codebooks.is_filled(book)


def _codebook(tenant_id: int, space: EmbeddingSpace) -> Codebook | None:
    """The one to fill: the newest, or a new one; never a third while an older one is being emptied."""
    book = codebooks.newest([tenant_id], space_id=space.id).get(tenant_id)
    wanted = codebooks.is_filled(book) and codebooks.outgrown(book) if book else _is_large(tenant_id, space)
    if not wanted:
        return book
    started = time.monotonic()
    book = codebooks.train(tenant_id, space=space)
    seconds = round(time.monotonic() - started, 1)
    log.info("codebook_trained", tenant=tenant_id, buckets=book.size if book else 0, seconds=seconds)
    return book


def _needs_work(book: Codebook) -> bool:
    return not codebooks.is_filled(book) or codebooks.outgrown(book)


def _is_large(tenant_id: int, space: EmbeddingSpace) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*) FROM (
                SELECT FROM memories_messageembedding WHERE tenant_id = %s AND space_id = %s LIMIT %s) AS counted
            """,
            [tenant_id, space.id, settings.ENV.exact_search_vectors + 1],
        )
        return int(cursor.fetchone()[0]) > settings.ENV.exact_search_vectors


def _only_trainer() -> bool:
    """Whether nobody else trains, until the end of the running transaction.

    A lock of the transaction and not of the session, which behind a pooler is not the same from one statement to the
    next. Buckets are filled without it: two that do so pass over what the other has locked.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        return bool(cursor.fetchone()[0])
