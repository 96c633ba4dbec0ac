"""Redis beyond answering: what it may throw away, and whether it has room."""

from collections.abc import Iterator
from typing import Any

import redis
from django.conf import settings

from memory_layer.doctor.findings import Finding, error, ok, warning

OLDEST = (6, 2)  # lists are popped several at once
FULL_SHARE = 0.9


def findings() -> Iterator[Finding]:
    """Version, persistence, eviction, memory."""
    with redis.Redis.from_url(settings.ENV.redis_url, socket_timeout=2, socket_connect_timeout=2) as client:
        info: dict[str, Any] = client.info()
    version = str(info["redis_version"])
    kept = "append-only file" if info.get("aof_enabled") else "snapshots or none"
    says = f"Redis {version}, persistence: {kept}, eviction: {info.get('maxmemory_policy', 'unknown')}."
    old = tuple(int(part) for part in version.split(".")[:2]) < OLDEST
    yield error("redis", says, "Upgrade Redis to 6.2 or later.") if old else ok("redis", says)
    yield from _eviction(info)
    yield from _memory(info)
    if info.get("rdb_last_bgsave_status") == "err" or info.get("aof_last_write_status") == "err":
        yield error(
            "redis", "Redis cannot write to its disk, and may refuse writes.", "Look at its log and its disk."
        )


def _eviction(info: dict[str, Any]) -> Iterator[Finding]:
    """The queue of tasks has no lifetime: a policy for all keys may throw it away."""
    policy = str(info.get("maxmemory_policy", ""))
    if info.get("maxmemory") and policy.startswith("allkeys"):
        yield warning(
            "redis",
            f"maxmemory-policy is {policy}: queued tasks can be evicted ({info['evicted_keys']} keys were).",
            "Set maxmemory-policy volatile-lru: what may go has a lifetime.",
        )


def _memory(info: dict[str, Any]) -> Iterator[Finding]:
    limit, used = int(info.get("maxmemory", 0)), int(info["used_memory"])
    if limit and used > FULL_SHARE * limit and str(info["maxmemory_policy"]) == "noeviction":
        yield error(
            "redis",
            f"{used / limit:.0%} of maxmemory are in use, and nothing may be evicted: writes will be refused.",
            "Raise maxmemory, set volatile-lru, or lower MEMORY_SEARCH_CACHE_SECONDS.",
        )
