"""Gauges that no process owns: asked of the database and of Redis at each scrape.

What cannot be read just now is left out, and `memory_part_ok` says which part is to blame; the counters are told all
the same. No tenant is a label: their number is not bounded.
"""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import redis
import structlog
from django.db import DatabaseError
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from memories import backlog, caching, costs, recall, recalls
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
    """What /v1/admin/health says."""
    for part in health.look():
        yield Reading("memory_part_ok", float(part["ok"]), (part["part"],))


def jobs() -> Iterator[Reading]:
    """Of the job table, which holds only what is not done."""
    state = backlog.measure()
    yield Reading("memory_jobs_backlog", state.open_jobs)
    yield Reading("memory_jobs_oldest_age_seconds", state.oldest_age_seconds)
    yield Reading("memory_jobs_buried", state.buried_jobs)
    yield Reading("memory_tenants_over_budget", len(costs.over_budget()))


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


def breakers() -> Iterator[Reading]:
    """Of the provider in use and its stand-in."""
    for circuit in health.breakers():
        yield Reading("memory_embedding_breaker_open", circuit["state"] != "closed", (circuit["provider"],))


def pulse() -> Iterator[Reading]:
    """Of whichever worker was last."""
    last = caching.last_pulse()
    if last is not None:
        yield Reading("memory_worker_pulse_age_seconds", max(0.0, time.time() - last))


READERS: tuple[Callable[[], Iterator[Reading]], ...] = (
    parts,
    jobs,
    vector_recall,
    recalled,
    retention,
    breakers,
    pulse,
)
