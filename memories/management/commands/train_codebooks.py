"""`manage.py train_codebooks`: give large tenants their buckets now, not bit by bit by beat."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from memories import training, vectors
from memories.models import EmbeddingSpace
from tenants.models import Tenant

SLICE_SECONDS = 3600.0


class Command(BaseCommand):
    help = "Train and fill the buckets of tenants with more than MEMORY_EXACT_SEARCH_VECTORS vectors."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", help="Default: all that need it.")

    def handle(self, *args: Any, **options: Any) -> None:
        tenants = Tenant.objects.all()
        if options["tenant"] is not None:
            tenants = tenants.filter(name=options["tenant"])
            if not tenants:
                raise CommandError(f"There is no tenant {options['tenant']!r}.")
        for space in EmbeddingSpace.objects.filter(active=True):
            due = training.due_tenants(space)
            for tenant in tenants.filter(id__in=due).order_by("name"):
                self._train(tenant, space)

    def _train(self, tenant: Tenant, space: EmbeddingSpace) -> None:
        done = training.tend(tenant.id, space=space, seconds=SLICE_SECONDS)
        buckets = vectors.method(tenant.id, space.id).buckets
        state = "done" if done else "not done: another trainer is at work, or messages changed meanwhile"
        self.stdout.write(f"{tenant.name}: {buckets} buckets, {state}")
