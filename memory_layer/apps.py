from django.apps import AppConfig
from django.utils.module_loading import import_string


class MemoryLayerConfig(AppConfig):
    """Puts the parts together: every process needs the Celery app to publish and to run tasks."""

    name = "memory_layer"

    def ready(self) -> None:
        import_string("memory_layer.celery.app")
        import_string("memory_layer.checks.register_checks")()
