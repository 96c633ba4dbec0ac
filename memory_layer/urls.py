"""The whole URL map on one page."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from memory_layer import health, metrics

admin.autodiscover()
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="docs")),
    path("v1/", include("memories.urls")),  # first: they are tried in order
    path("v1/", include("tenants.urls")),
    path("v1/", include("retention.urls")),
    path("v1/admin/health", health.HealthView.as_view(), name="health"),
    path("health/live", health.live, name="health-live"),
    path("health/ready", health.ready, name="health-ready"),
    path("metrics", metrics.MetricsView.as_view(), name="metrics"),
    path("openapi.json", SpectacularJSONAPIView.as_view(), name="openapi"),
    path("docs", SpectacularSwaggerSplitView.as_view(url_name="openapi"), name="docs"),
    path("admin/", include("memory_layer.console")),
    path("admin/", admin.site.urls),
]

handler400 = "memory_layer.problems.bad_request"
handler404 = "memory_layer.problems.not_found"
handler500 = "memory_layer.problems.server_error"
