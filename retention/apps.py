from django.apps import AppConfig
from django.utils.module_loading import import_string


class RetentionConfig(AppConfig):
    """What is let go: policies, archiving, purging, erasure."""

    name = "retention"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import_string("retention.checks.register_checks")()
