from django.apps import AppConfig
from django.utils.module_loading import import_string


class MemoriesConfig(AppConfig):
    """What is kept and found."""

    name = "memories"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import_string("memories.checks.register_checks")()
