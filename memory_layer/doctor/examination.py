"""Everything that is looked at, in order."""

from collections.abc import Callable, Iterator

import redis
from django.db import DatabaseError

from memories.embeddings import EmbeddingError
from memory_layer.doctor import configuration, database, embedding, machine, parts, redis_server
from memory_layer.doctor.findings import Finding, error

EXAMINED: dict[str, Callable[[], Iterator[Finding]]] = {
    "settings": configuration.settings_given,
    "checks": configuration.checks,
    "hosts": configuration.hosts,
    "parts": parts.findings,
    "server": database.server,
    "connections": database.connections_needed,
    "transactions": database.transactions,
    "role": database.role,
    "indexes": database.indexes,
    "clock": database.clock,
    "redis": redis_server.findings,
    "provider": embedding.providers,
    "spaces": embedding.spaces,
    "buried": embedding.buried,
    "recall": embedding.vector_recall,
    "disk": machine.disk,
    "metrics": machine.metrics_files,
    "static files": machine.static_files,
}


def examine() -> Iterator[Finding]:
    """All findings. What cannot be looked at is one, and stops nothing else."""
    for area, look in EXAMINED.items():
        try:
            yield from look()
        except (DatabaseError, EmbeddingError, redis.RedisError) as problem:
            yield error(
                area, f"Could not be looked at ({type(problem).__name__}).", "Mend the parts above first."
            )
