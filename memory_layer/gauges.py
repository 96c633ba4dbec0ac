"""Gauges that no process owns: asked of the database and of Redis at each scrape.

What cannot be read just now is left out, and `memory_part_ok` says which part is to blame; the counters are told all
the same. No tenant is a label: their number is not bounded.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import redis
import structlog
from django.db import DatabaseError
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from memories import recall, recalls
from memories.embeddings import EmbeddingError
from memory_layer import health
from retention import schedule

log = structlog.get_logger(__name__)


class Gauge(NamedTuple):
    """A gauge as `/metrics` describes it."""

    help: str
    labels: tuple[str, ...] = ()


class Reading(NamedTuple):
    """A value of a gauge, with one text for each of its labels."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


GAUGES = {
    "memory_part_ok": Gauge("1: the part is well, 0: it is not; parts as in /v1/admin/health", ("part",)),
    "memory_jobs_backlog": Gauge("Embedding jobs not done"),
    "memory_jobs_oldest_age_seconds": Gauge("Age of the oldest embedding job not done"),
    "memory_jobs_buried": Gauge("Embedding jobs given up"),
    "memory_tenants_over_budget": Gauge(
        "Tenants whose embedding waits, because this month's budget is spent"
    ),
    "memory_vector_recall": Gauge(
        "Share of the nearest messages that the vector search of large tenants finds; absent while there are none",
        ("over_tenants",),
    ),
    "memory_recalls_waiting": Gauge("Recalled messages not yet noted in the database"),
    "memory_retention_overdue_seconds": Gauge(
        "Seconds since the slot was due that has waited longest for its retention run; 0: none waits"
    ),
    "memory_embedding_breaker_open": Gauge(
        "1: the provider is left alone for now, 0: it is asked; only remote providers have a breaker",
        ("provider",),
    ),
    "memory_worker_pulse_age_seconds": Gauge("Seconds since a worker did something; absent if unknown"),
}
# Gauges that are a number of a part.
NUMBERS = {
    "jobs": {
        "memory_jobs_backlog": "backlog",
        "memory_jobs_oldest_age_seconds": "oldest_age_seconds",
        "memory_jobs_buried": "buried",
        "memory_tenants_over_budget": "tenants_over_budget",
    },
    "worker": {"memory_worker_pulse_age_seconds": "last_seen_seconds"},
}


class GaugeCollector(Collector):
    """All of them, asked when it is collected."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Those that have a value."""
        families = {
            name: GaugeMetricFamily(name, gauge.help, labels=gauge.labels) for name, gauge in GAUGES.items()
        }
        for reader in READERS:
            try:
                for reading in reader():
                    families[reading.name].add_metric(reading.labels, reading.value)
            except (DatabaseError, EmbeddingError, redis.RedisError) as error:
                log.warning("gauges_left_out", reader=reader.__name__, error=type(error).__name__)
        return (family for family in families.values() if family.samples)


def parts() -> Iterator[Reading]:
    """What /v1/admin/health says, whose numbers are not asked for twice."""
    for part in health.look():
        name = part["part"]
        yield Reading("memory_part_ok", float(part["ok"]), (name,))
        for gauge, key in NUMBERS.get(name, {}).items():
            if (value := part.get(key)) is not None:
                yield Reading(gauge, max(0.0, value))
        for circuit in part.get("breaker", ()):
            yield Reading(
                "memory_embedding_breaker_open", circuit["state"] != "closed", (circuit["provider"],)
            )


def vector_recall() -> Iterator[Reading]:
    """The worst tenant's recall and the mean over tenants, as last measured."""
    if found := recall.overview():
        yield Reading("memory_vector_recall", found.minimum, ("minimum",))
        yield Reading("memory_vector_recall", found.mean, ("mean",))


def recalled() -> Iterator[Reading]:
    """Nothing while Redis is down."""
    waiting = recalls.waiting()
    if waiting is not None:
        yield Reading("memory_recalls_waiting", waiting)


def retention() -> Iterator[Reading]:
    """Of the tenant that waits longest."""
    since = schedule.overdue_since()
    late = 0.0 if since is None else max(0.0, (timezone.now() - since).total_seconds())
    yield Reading("memory_retention_overdue_seconds", late)


READERS: tuple[Callable[[], Iterator[Reading]], ...] = (
    parts,
    vector_recall,
    recalled,
    retention,
)
