from django.apps import AppConfig
from django.conf import settings
from django.utils.module_loading import import_string


class MemoryLayerConfig(AppConfig):
    """Puts the parts together: every process needs the Celery app to publish and to run tasks."""

    name = "memory_layer"

    def ready(self) -> None:
        import_string("memory_layer.celery.app")
        import_string("memory_layer.checks.register_checks")()
        if settings.ENV.tracing:
            start_tracing()


def start_tracing() -> None:
    """SystemExit with a sentence where the packages are not installed: a start without traces is not what was asked."""
    try:
        start = import_string("memory_layer.tracing.start")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        raise SystemExit(
            "MEMORY_TRACING is on, and OpenTelemetry is not installed: "
            "`pip install --require-hashes -r requirements/tracing.txt`, or unset it."
        ) from None
    start()
