from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """Who is asking, and what may they do."""

    name = "tenants"
    default_auto_field = "django.db.models.BigAutoField"
