"""Django's admin with a site of our own, whose pages are there for who serves or checks them."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core.checks import CheckMessage, Tags, register


class SiteConfig(SimpleAdminConfig):
    """The URLs register the pages: worker and beat, which have none, are spared 8 MB."""

    default_site = "memory_layer.admin_site.Site"

    def ready(self) -> None:
        """In place of Django's own two: they would look at no page where the URLs come later."""
        register(check_dependencies, Tags.admin)
        register(check_pages, Tags.admin)


def check_pages(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Django's checks of every registered page."""
    admin.autodiscover()
    return check_admin_app(app_configs, **options)
