"""`/metrics` for Prometheus: what every process counted, and what is so at the scrape."""

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from rest_framework.request import Request
from rest_framework.views import APIView

from memory_layer.counted import counted
from memory_layer.gauges import GaugeCollector
from tenants.models import Scope


class MetricsView(APIView):
    """For Prometheus, which sends an operator's key as its bearer token."""

    scopes = {"GET": Scope.ADMIN}
    operators_only = True

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        """The text exposition of all processes together where PROMETHEUS_MULTIPROC_DIR is set, else of this one."""
        now = CollectorRegistry()
        now.register(GaugeCollector())
        return HttpResponse(
            generate_latest(counted()) + generate_latest(now), content_type=CONTENT_TYPE_LATEST
        )
