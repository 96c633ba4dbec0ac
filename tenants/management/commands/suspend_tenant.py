"""`manage.py suspend_tenant acme`"""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tenants.lifecycle import set_suspended
from tenants.management.named import named_tenant
from tenants.remembered import SECONDS


class Command(BaseCommand):
    help = "Refuse all reads and writes of a tenant. Nothing is lost; resume_tenant ends it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = set_suspended(tenant=named_tenant(options["name"]), suspended=True)
        self.stdout.write(f"Suspended {tenant}. Running servers refuse it within {SECONDS:.0f} seconds.")
