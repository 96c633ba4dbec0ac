"""Idempotency-Key: the same request sent again is answered with the first answer and does nothing.

    key = idempotency.key_of(request)
    answer = idempotency.once(tenant=tenant, key=key, do=do)

`do` writes, and returns what to keep of its answer: ids, numbers and times, never text. The view makes the body of that
and of the request, which is the same both times. The record is written in the transaction of what `do` wrote: there is
never one without the other. A refusal rolls both back, so that the request may be mended and sent again with its key.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request

from tenants import metrics
from tenants.models import Tenant

HEADER, REPLAYED = "Idempotency-Key", "Idempotent-Replayed"
_META = "HTTP_IDEMPOTENCY_KEY"
KEPT = timedelta(hours=24)
# A record is 200 bytes, of a large batch 50 kB: a chunk is gone in a part of a second.
CHUNK = 1000
_KEY = re.compile(r"(?! )[\x20-\x7e]{1,255}(?<! )")
# Without the ORM: its way to the same statements takes a millisecond, as long as storing a message.
_FIND = """
    SELECT request_digest, status, answer::text FROM tenants_idempotencyrecord
    WHERE tenant_id = %s AND key_digest = %s AND created_at >= now() - make_interval(secs => %s)
"""
# Over one that is too old, if it is still there.
_KEEP = """
    INSERT INTO tenants_idempotencyrecord (tenant_id, key_digest, request_digest, status, answer)
    VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (tenant_id, key_digest) DO UPDATE SET request_digest = excluded.request_digest,
        status = excluded.status, answer = excluded.answer, created_at = excluded.created_at
"""
_FORGET = """
    DELETE FROM tenants_idempotencyrecord WHERE (tenant_id, key_digest) IN (
        SELECT tenant_id, key_digest FROM tenants_idempotencyrecord
        WHERE created_at < now() - make_interval(secs => %s) ORDER BY created_at LIMIT %s FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True, kw_only=True)
class RequestKey:
    """A key as it was sent, with the request it stands for: both as SHA-256."""

    digest: bytes
    request_digest: bytes


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A status, and what was kept of the body; `replayed` if it was given before."""

    status: int
    kept: Any
    replayed: bool


class KeyReused(APIException):
    """The key was used for another request."""

    status_code = 422
    default_code = "idempotency_key_reused"
    default_detail = "This Idempotency-Key was used for another request. Nothing was done; use a new key."


class StillRunning(APIException):
    """The first request with the key is not done yet."""

    status_code = 409
    default_code = "idempotency_key_in_use"
    default_detail = "A request with this Idempotency-Key is being worked on. Send it again for its answer."
    wait = 1


def key_of(request: Request) -> RequestKey | None:
    """The key that was sent, if any; ValidationError (400) unless it is 1 to 255 printable ASCII characters."""
    key = request.META.get(_META)
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise ValidationError({HEADER: ["Must be 1 to 255 printable ASCII characters."]})
    # Of the body what it says: blanks and the order of fields may differ when it is sent again.
    body = json.dumps(request.data, sort_keys=True, separators=(",", ":"))
    said = "\0".join([key, request.method or "", request.get_full_path(), body])
    return RequestKey(digest=_sha256(key), request_digest=_sha256(said))


def once(*, tenant: Tenant, key: RequestKey | None, do: Callable[[], tuple[int, Any]]) -> Answer:
    """What `do` returns (status, what to keep), or what it returned for the same request within the last day.

    Raises KeyReused (422) for another request with the key, StillRunning (409) while the first is at work, and what
    `do` raises; then nothing is kept.
    """
    if key is None:
        return _first(do)
    with transaction.atomic():
        _claim(tenant, key)
        answer = _first_answer(tenant, key)
        if answer is None:
            answer = _first(do)
            _keep(tenant, key, answer)
    if answer.replayed:
        metrics.REPLAYS.inc()
    return answer


def headers(*, replayed: bool) -> Mapping[str, str]:
    """What tells a repeated answer from a first one."""
    return {REPLAYED: "true"} if replayed else {}


def forget_old() -> int:
    """Remove the records that are older than KEPT, in chunks; how many."""
    total = 0
    while (gone := _forget_chunk()) > 0:
        total += gone
    return total


def _first(do: Callable[[], tuple[int, Any]]) -> Answer:
    status, kept = do()
    return Answer(status=status, kept=kept, replayed=False)


def _claim(tenant: Tenant, key: RequestKey) -> None:
    """Until the end of the transaction nobody else works on the key: a waiting request would hold a web thread."""
    number = int.from_bytes(_sha256(f"{tenant.id}\0{key.digest.hex()}")[:8], signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        if not cursor.fetchone()[0]:
            raise StillRunning


def _first_answer(tenant: Tenant, key: RequestKey) -> Answer | None:
    """By a statement that begins after the claim, so that it sees what its last holder committed."""
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [tenant.id, key.digest, KEPT.total_seconds()])
        found = cursor.fetchone()
    if found is None:
        return None
    request_digest, status, kept = found
    if bytes(request_digest) != key.request_digest:
        raise KeyReused
    return Answer(status=status, kept=json.loads(kept), replayed=True)


def _keep(tenant: Tenant, key: RequestKey, answer: Answer) -> None:
    kept = json.dumps(answer.kept)
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [tenant.id, key.digest, key.request_digest, answer.status, kept])


def _forget_chunk() -> int:
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, [KEPT.total_seconds(), CHUNK])
        return int(cursor.rowcount)


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
