"""`manage.py migrate`: Django's, as the login that owns the tables."""

from typing import Any

from django.core.management.commands import migrate

from tenants import isolation


class Command(migrate.Command):
    """Django's."""

    def handle(self, *args: Any, **options: Any) -> None:
        with isolation.as_login():
            super().handle(*args, **options)
