"""`manage.py grant_groups`: after an update that brought new tables, the groups of the admin get their permissions."""

from typing import Any

from django.core.management.base import BaseCommand

from memory_layer import groups


class Command(BaseCommand):
    help = (
        "Make the admin's groups operator, auditor and support, and give them the permissions that they lack."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        lacking = groups.lacking()
        groups.grant()
        for name, absent in lacking.items():
            self.stdout.write(f"{name}: {', '.join(absent)}")
        self.stdout.write("The groups have all their permissions.")
