"""Every cache key, its lifetime and what makes it stale. Redis down is never an error here: it costs time only."""

import hashlib
import secrets
import struct
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar, cast

from django.conf import settings
from django.core.cache import cache
from django.db import transaction

from tenants import shared_redis

_T = TypeVar("_T")

# The same text in the same space has the same vector for good: nothing makes it stale, the lifetime only bounds what
# Redis holds. A vector takes 4 bytes a dimension: a million different queries a day are 1 GB at 256 dimensions.
QUERY_VECTOR_SECONDS = 24 * 60 * 60
# Longer than any answer may live (an hour): a version that is gone comes back as another one, never as the old one.
ANSWER_VERSION_SECONDS = 24 * 60 * 60
# A bigger answer is made anew each time: Redis is not to be filled by a few of them.
ANSWER_BYTES = 256 * 1024
HINT_SECONDS = 5
PULSE_SECONDS = 300
# What OpenTelemetry keeps of a span's links.
LINKS = 128
_TRACES = "embed-traces"
# The first words of the keys that hold what people said or asked; `drop_tenant` removes these.
_ANSWER, _QUERY_VECTOR = "answer", "query-vector"
_SCANNED_AT_ONCE = 1000
# One step for Redis: nothing comes between the look at the version and the write.
_SET_WHILE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
return 1
"""

# Tenants whose answers could not be made stale while Redis was down.
_missed: set[int] = set()
_missed_lock = threading.Lock()


def remembered_query_vector(
    *,
    tenant_id: int,
    space: tuple[str, str, int],
    text: str,
    beside: str,
    compute: Callable[[bool], list[float]],
) -> tuple[list[float], bool]:
    """The text's vector in the space (provider, model, dimensions), and whether it was remembered.

    `beside` is a key of somebody else, looked at in the same round trip: `compute` is told whether Redis surely has
    nothing there. Raises what `compute` raises, and remembers nothing then.
    """
    key = key_of(_query_vector_key(tenant_id, space, text))
    # By its words: redis-py's own methods, and Django's, take as long again.
    answer = with_redis(lambda redis: redis.execute_command("MGET", key, beside))
    stored, other = answer or (None, b"")
    found = None if stored is None else _unpacked(_backend().unpacked(stored), dimensions=space[2])
    if found is not None:
        return found, True
    vector = compute(other is None)
    packed = _backend().packed(struct.pack(f"<{len(vector)}f", *vector))
    with_redis(lambda redis: redis.execute_command("SET", key, packed, "EX", QUERY_VECTOR_SECONDS))
    return vector, False


@dataclass(frozen=True, kw_only=True)
class KeptAnswer:
    """What Redis says of a question: the tenant's version as it is now, and the answer if there is one of that version.

    `version` is None if Redis did not answer.
    """

    version: str | None = None
    body: bytes | None = None


def kept_answer(*, tenant_id: int, question: str) -> KeptAnswer:
    """One round trip. To be asked before the database is read: what is read after it is at least of this version."""
    version_key, key = _version_key(tenant_id), _answer_key(tenant_id, question)
    found = _ask(lambda: cache.get_many([version_key, key]))
    if found is None:
        return KeptAnswer()
    version = found.get(version_key)
    if version is None:
        return KeptAnswer(version=_ask(lambda: _first_version(version_key)))
    stored, mark = found.get(key), version.encode()
    if isinstance(stored, bytes) and stored.startswith(mark):
        return KeptAnswer(version=version, body=stored.removeprefix(mark))
    return KeptAnswer(version=version)


def keep_answer(*, tenant_id: int, question: str, version: str, body: bytes, seconds: int) -> None:
    """Keep it as one of that version, which kept_answer() told before it was made. One round trip.

    Not one that is too big. One that a write has overtaken is not kept: nobody would be given it, and what an erasure
    has dropped would be in Redis again.
    """
    if len(body) > ANSWER_BYTES:
        return
    keys = key_of(_version_key(tenant_id)), key_of(_answer_key(tenant_id, question))
    values = _backend().packed(version), _backend().packed(version.encode() + body)
    with_redis(lambda redis: redis.eval(_SET_WHILE, len(keys), *keys, *values, seconds))


def with_redis(call: Callable[[Any], _T]) -> _T | None:
    """What the call makes of redis-py's client; None if Redis is down. For keys of `key_of`."""
    return _ask(lambda: call(_backend().redis))


def key_of(name: str) -> str:
    """As Redis knows it, apart from those of other programs."""
    return str(cache.make_key(name))


def forget_answers(tenant_ids: Collection[int]) -> None:
    """What these tenants' searches found may be wrong once the running transaction, if any, is committed.

    The one hook for everybody who writes what an answer can show. With Redis down the write goes on; this process then
    repeats it before it asks Redis for anything else. Until then other processes may give old answers, which die of
    age after MEMORY_SEARCH_CACHE_SECONDS.
    """
    if settings.ENV.search_cache_seconds and tenant_ids:
        told = frozenset(tenant_ids)
        transaction.on_commit(lambda: _forget_now(told))


def drop_tenant(tenant_id: int) -> bool:
    """Remove what Redis holds of a tenant's texts and questions; False: it did not answer, ask again.

    After that no answer is kept that was made of what was there before: the version goes first.
    """
    _forget_now(frozenset({tenant_id}))
    prefixes = [key_of(f"{kind}:{tenant_id}:") for kind in (_ANSWER, _QUERY_VECTOR)]
    return with_redis(lambda redis: sum(_unlinked(redis, prefix) for prefix in prefixes)) is not None


def first_hint() -> bool | None:
    """Whether no worker is awake or being woken: one is woken for everything that is due. None: Redis did not say.

    A hint that got lost, or its worker, holds others back for HINT_SECONDS; the sweeper covers even that.
    """
    return _ask(lambda: cache.add("embed-hint", 1, HINT_SECONDS))


def hold_hint() -> None:
    """A worker is awake: nobody needs to wake one."""
    _ask(lambda: cache.set("embed-hint", 1, HINT_SECONDS))


def drop_hint() -> None:
    """It goes to sleep: from now on a new message needs a new hint."""
    _ask(lambda: cache.delete("embed-hint"))


def note_trace(traceparent: str) -> None:
    """This trace found a worker awake: the next batch is linked to it."""
    key = key_of(_TRACES)
    with_redis(
        lambda redis: (
            redis.pipeline(transaction=False).lpush(key, traceparent).ltrim(key, 0, LINKS - 1).execute()
        )
    )


def waiting_traces() -> list[str]:
    """The traces that were noted since the last look, LINKS at most."""
    found = with_redis(lambda redis: redis.lpop(key_of(_TRACES), LINKS))
    return [each.decode() for each in found or []]


def record_pulse(now: float) -> None:
    """A worker did something at `now` (epoch seconds)."""
    _ask(lambda: cache.set("worker-pulse", now, PULSE_SECONDS))


def last_pulse() -> float | None:
    """When a worker last did something, epoch seconds; None if unknown."""
    found = _ask(lambda: cache.get("worker-pulse"))
    return None if found is None else float(found)


def _query_vector_key(tenant_id: int, space: tuple[str, str, int], text: str) -> str:
    """Never the text itself: Redis is not where what people ask is kept.

    Each tenant has its own, although the vector would be the same: a fast answer must not tell that another tenant
    asked this. NUL stands in no provider's or model's name, so no two spaces and texts run together.
    """
    named = "\0".join([*map(str, space), text])
    return f"{_QUERY_VECTOR}:{tenant_id}:{hashlib.sha256(named.encode()).hexdigest()}"


def _unpacked(packed: object, *, dimensions: int) -> list[float] | None:
    """None for anything that is no vector of the space: it is computed again, and overwritten."""
    if not isinstance(packed, bytes) or len(packed) != 4 * dimensions:
        return None
    return list(struct.unpack(f"<{dimensions}f", packed))


def _version_key(tenant_id: int) -> str:
    return f"answer-version:{tenant_id}"


def _answer_key(tenant_id: int, question: str) -> str:
    return f"{_ANSWER}:{tenant_id}:{hashlib.sha256(question.encode()).hexdigest()}"


def _first_version(version_key: str) -> str:
    """Another process may have been faster; its version is as good."""
    return str(cache.get_or_set(version_key, _new_version, ANSWER_VERSION_SECONDS))


def _new_version() -> str:
    """Random, not counted up: after a loss of Redis no old version can come back."""
    return secrets.token_hex(16)


def _backend() -> Any:
    return cast(Any, cache)


def _unlinked(redis: Any, prefix: str) -> int:
    """Removes all keys that begin so; how many. Redis looks at the names of all its keys: a second for a million."""
    names, removed = redis.scan_iter(f"{prefix}*", count=_SCANNED_AT_ONCE), 0
    while some := list(islice(names, _SCANNED_AT_ONCE)):
        removed += redis.unlink(*some)
    return removed


def _forget_now(tenant_ids: frozenset[int]) -> None:
    if not _ask(lambda: _set_versions(tenant_ids)):
        with _missed_lock:
            _missed.update(tenant_ids)


def _set_versions(tenant_ids: Collection[int]) -> bool:
    cache.set_many(
        {_version_key(tenant_id): _new_version() for tenant_id in tenant_ids}, ANSWER_VERSION_SECONDS
    )
    return True


def _repeat_missed() -> None:
    """Whoever comes meanwhile waits: it must neither read an old version nor lose what it has to tell."""
    with _missed_lock:
        if _missed:
            _set_versions(_missed)
            _missed.clear()


def _ask(call: Callable[[], _T]) -> _T | None:
    return shared_redis.ask(lambda: _after_missed(call))


def _after_missed(call: Callable[[], _T]) -> _T:
    if _missed:
        _repeat_missed()
    return call()
