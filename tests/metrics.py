"""What metrics there are: read from the registry and from the gauges, not from a list of our own."""

from functools import cache
from typing import NamedTuple

from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from memory_layer import task_runs  # noqa: F401 - makes its metrics
from memory_layer.gauges import GAUGES
from memory_layer.http_metrics import KEPT, HttpMetricsMiddleware
from memory_layer.urls import urlpatterns  # noqa: F401 - imports all views and what they count


class Described(NamedTuple):
    """`name` as a table shows it, with _total where that is part of it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str

    @property
    def series(self) -> frozenset[str]:
        """The names under which its values are told."""
        if self.kind == "histogram":
            return frozenset(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))
        return frozenset([self.name])


@cache
def catalogue() -> tuple[Described, ...]:
    """Ours, and those of django-prometheus that are kept; by name."""
    HttpMetricsMiddleware.metrics_cls.get_instance()
    wrapped = {each for each in REGISTRY._names_to_collectors.values() if isinstance(each, MetricWrapperBase)}
    counted = [
        Described(
            each._name + ("_total" if each._type == "counter" else ""),
            each._type,
            tuple(each._labelnames),
            each._documentation,
        )
        for each in wrapped
        if each._name.startswith("memory_") or {each._name, f"{each._name}_total"} & set(KEPT)
    ]
    asked = [Described(name, "gauge", gauge.labels, gauge.help) for name, gauge in GAUGES.items()]
    return tuple(sorted([*counted, *asked]))
