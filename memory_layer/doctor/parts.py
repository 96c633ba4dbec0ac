"""The parts of /v1/admin/health, with what mends each."""

from collections.abc import Iterator

from memory_layer import health
from memory_layer.doctor.findings import Finding, error, ok

MENDS = {
    "database": "Start PostgreSQL, look at MEMORY_DATABASE_URL, or run `manage.py migrate`.",
    "pgvector": "Install pgvector on the database's server, then run `manage.py migrate`.",
    "redis": "Start Redis, or look at MEMORY_REDIS_URL. Nothing is lost meanwhile.",
    "rate_limits": "Start Redis; MEMORY_RATE_LIMIT_ON_OUTAGE says what happens until then.",
    "worker": "Start `celery -A memory_layer worker --queues embed,retention,default`; its log says why it ended.",
    "beat": "Start `celery -A memory_layer beat`; there is to be one.",
    "provider": "Look at the provider's settings and state (docs/providers.md); failed jobs are tried again.",
    "jobs": "More workers (MEMORY_WORKER_CONCURRENCY), or see why the provider is slow.",
}


def findings() -> Iterator[Finding]:
    """One a part."""
    for part in health.look():
        name = part.pop("part")
        well = part.pop("ok")
        detail = part.pop("detail", "")
        facts = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in part.items() if value != [])
        says = " ".join(text for text in (detail, facts) if text) or "It answers."
        yield ok(name, says) if well else error(name, says, MENDS[name])
