"""`manage.py check_recall`: do the buckets of large tenants find what comparing all vectors finds?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from memories import recall, vectors
from memories.models import EmbeddingSpace
from tenants.models import Tenant


class Command(BaseCommand):
    help = (
        "Search for the tenants' own messages by buckets and exactly, and print the share that buckets find. Fails if "
        "a tenant is below the minimum: raise MEMORY_PROBES then."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", help="Default: all.")
        parser.add_argument(
            "--queries", type=int, default=recall.QUERIES, help="For each tenant. Default: 100."
        )
        parser.add_argument(
            "--k", type=int, default=recall.K, help="Of so many nearest messages. Default: 10."
        )
        parser.add_argument("--minimum", type=float, default=0.95, help="Default: 0.95.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["k"] <= recall.MAX_K:
            raise CommandError(f"--k must be between 1 and {recall.MAX_K}.")
        if options["queries"] < 1:
            raise CommandError("--queries must be at least 1.")
        if not 0 <= options["minimum"] <= 1:
            raise CommandError("--minimum must be between 0 and 1.")
        tenants = list(_tenants(options["tenant"]))
        low = [
            tenant.name
            for space in EmbeddingSpace.objects.filter(active=True)
            for tenant in tenants
            if self._is_low(tenant, space, options)
        ]
        if low:
            raise CommandError(f"Below {options['minimum']}: {', '.join(low)}.")

    def _is_low(self, tenant: Tenant, space: EmbeddingSpace, options: dict[str, Any]) -> bool:
        how = vectors.method(tenant.id, space.id)
        if how.method == vectors.EXACT:
            self.stdout.write(f"{tenant.name}: searched exactly")
            return False
        found = recall.check(tenant.id, space=space, k=options["k"], queries=options["queries"])
        if found is None:
            self.stdout.write(f"{tenant.name}: nothing to search")
            return False
        self.stdout.write(
            f"{tenant.name}: recall@{found.k} {found.recall:.3f} over {found.queries} queries, "
            f"{how.probes} of {how.buckets} buckets, "
            f"{found.milliseconds:.1f} ms (exactly: {found.exact_milliseconds:.1f} ms)"
        )
        return found.recall < float(options["minimum"])


def _tenants(name: str | None) -> Any:
    if name is None:
        return Tenant.objects.order_by("name")
    found = Tenant.objects.filter(name=name)
    if not found:
        raise CommandError(f"There is no tenant {name!r}.")
    return found
