from django.apps import AppConfig


class RetentionConfig(AppConfig):
    """What is let go: policies, archiving, purging, erasure. The rules follow with their own release."""

    name = "retention"
    default_auto_field = "django.db.models.BigAutoField"
