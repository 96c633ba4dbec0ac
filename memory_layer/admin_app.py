"""Django's admin with a site of our own."""

from django.contrib.admin.apps import AdminConfig


class SiteConfig(AdminConfig):
    """Registers pages as Django's own does."""

    default_site = "memory_layer.admin_site.Site"
