"""`manage.py resume_tenant acme`"""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tenants.lifecycle import set_suspended
from tenants.management.named import named_tenant
from tenants.remembered import SECONDS


class Command(BaseCommand):
    help = "End the suspension of a tenant."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = set_suspended(tenant=named_tenant(options["name"]), suspended=False)
        self.stdout.write(f"Resumed {tenant}. Running servers serve it within {SECONDS:.0f} seconds.")
