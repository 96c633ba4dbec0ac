"""`/metrics` for Prometheus: what every process counted, and the job backlog as the database knows it."""

import os
from collections.abc import Iterator

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from rest_framework.request import Request
from rest_framework.views import APIView

from memories import backlog, recall, recalls
from retention import schedule
from tenants.models import Scope


class BacklogCollector(Collector):
    """Gauges that no process owns: read from the job table at each scrape."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Open jobs, the oldest's age, buried jobs."""
        state = backlog.measure()
        yield GaugeMetricFamily("memory_jobs_backlog", "Embedding jobs not done", value=state.open_jobs)
        yield GaugeMetricFamily(
            "memory_jobs_oldest_age_seconds",
            "Age of the oldest embedding job not done",
            value=state.oldest_age_seconds,
        )
        yield GaugeMetricFamily("memory_jobs_buried", "Embedding jobs given up", value=state.buried_jobs)


class RecallCollector(Collector):
    """What the buckets of large tenants find, as it was last measured; nothing while there are none."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The worst tenant's recall and the mean over tenants."""
        found = recall.overview()
        if found is None:
            return
        family = GaugeMetricFamily(
            "memory_vector_recall",
            "Share of the nearest messages that the vector search of large tenants finds",
            labels=["over_tenants"],
        )
        family.add_metric(["minimum"], found.minimum)
        family.add_metric(["mean"], found.mean)
        yield family


class RecalledCollector(Collector):
    """Messages that were in an answer, and wait in Redis for the database; nothing while Redis is down."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """How many."""
        waiting = recalls.waiting()
        if waiting is not None:
            yield GaugeMetricFamily(
                "memory_recalls_waiting", "Recalled messages not yet noted in the database", value=waiting
            )


class RetentionCollector(Collector):
    """How late the schedule of retention is, as the slots say at each scrape."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Of the tenant that waits longest."""
        since = schedule.overdue_since()
        late = 0.0 if since is None else max(0.0, (timezone.now() - since).total_seconds())
        yield GaugeMetricFamily(
            "memory_retention_overdue_seconds",
            "Seconds since the slot was due that has waited longest for its retention run; 0: none waits",
            value=late,
        )


class MetricsView(APIView):
    """For Prometheus, which sends an operator's key as its bearer token."""

    scopes = {"GET": Scope.ADMIN}
    operators_only = True

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        """The text exposition of all processes together where PROMETHEUS_MULTIPROC_DIR is set, else of this one."""
        text = generate_latest(_counted())
        own = CollectorRegistry()
        own.register(BacklogCollector())
        own.register(RecallCollector())
        own.register(RecalledCollector())
        own.register(RetentionCollector())
        return HttpResponse(text + generate_latest(own), content_type=CONTENT_TYPE_LATEST)


def _counted() -> CollectorRegistry:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry
