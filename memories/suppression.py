"""Whoever was erased stays erased: ingest does not take back what was said up to then.

A row names nobody: it has a digest of the subject, which can be recognised and not read.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import connection

from memories.models import Message, Subject, Suppression

# What of a message is a subject, and of which kind.
COLUMNS = {Subject.USER: "user_id", Subject.CONVERSATION: "conversation_id"}

# By the database's clock, as stored_at. Erased again: everything up to now, so the later moment counts.
_SUPPRESS = """
    INSERT INTO memories_suppression AS known (tenant_id, digest, kind, erased_at)
    VALUES (%s, %s, %s, clock_timestamp())
    ON CONFLICT (tenant_id, digest) DO UPDATE SET erased_at = greatest(known.erased_at, excluded.erased_at)
    RETURNING erased_at
"""


def digest(*, tenant_id: int, kind: str, subject: str) -> bytes:
    """SHA-256 of the three with NUL between, which stands in none of them."""
    return hashlib.sha256("\0".join([str(tenant_id), kind, subject]).encode()).digest()


def suppress(*, tenant_id: int, kind: Subject, subject: str) -> datetime:
    """Refuse from now on (for statements that begin after the commit) what was said up to the moment returned."""
    with connection.cursor() as cursor:
        key = digest(tenant_id=tenant_id, kind=kind, subject=subject)
        cursor.execute(_SUPPRESS, [tenant_id, key, str(kind)])
        erased_at: datetime = cursor.fetchone()[0]
    return erased_at


def digests(rows: Iterable[Message], *, tenant_id: int) -> dict[Subject, list[bytes | None]]:
    """By kind, one digest a message, in order; None for a message without a user."""
    made: dict[tuple[Subject, str], bytes] = {}
    found: dict[Subject, list[bytes | None]] = {kind: [] for kind in COLUMNS}
    for row in rows:
        for kind, column in COLUMNS.items():
            key = kind, getattr(row, column)
            if key[1] and key not in made:
                made[key] = digest(tenant_id=tenant_id, kind=kind, subject=key[1])
            found[kind].append(made.get(key))
    return found


def refused(*, tenant_id: int, rows: Sequence[Message]) -> dict[int, tuple[str, datetime]]:
    """Index -> (column that names somebody erased, when), for rows that were said up to then."""
    by_kind = digests(rows, tenant_id=tenant_id)
    wanted = {each for some in by_kind.values() for each in some if each is not None}
    known = Suppression.objects.filter(tenant_id=tenant_id, digest__in=list(wanted))
    erased = {bytes(row.digest): row.erased_at for row in known}
    found: dict[int, tuple[str, datetime]] = {}
    for kind, some in by_kind.items():
        for index, each in enumerate(some):
            moment = erased.get(each) if each is not None else None
            if moment is not None and rows[index].created_at <= moment:
                found.setdefault(index, (COLUMNS[kind], moment))
    return dict(sorted(found.items()))
