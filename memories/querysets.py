"""Steps on messages and jobs that read aloud; every query of a tenant's rows starts with for_tenant."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

if TYPE_CHECKING:
    from memories.models import EmbeddingJob, Message  # noqa: F401 - names for the type checker

PENDING, READY, FAILED = "pending", "ready", "failed"


class MessageQuerySet(models.QuerySet["Message"]):
    """Messages of one tenant."""

    def for_tenant(self, tenant_id: int) -> "MessageQuerySet":
        """Where every query starts: no index serves one that does not."""
        return self.filter(tenant_id=tenant_id)


class EmbeddingJobQuerySet(models.QuerySet["EmbeddingJob"]):
    """The outbox, seen from outside; claiming and finishing are in `memories.jobs`."""

    def open(self) -> "EmbeddingJobQuerySet":
        """Not buried: waiting, backing off or being worked on."""
        return self.filter(buried_at=None)

    def buried(self) -> "EmbeddingJobQuerySet":
        """Given up, with a reason in `last_error`."""
        return self.filter(buried_at__isnull=False)

    def due(self) -> "EmbeddingJobQuerySet":
        """Open, and neither backing off nor leased, by the database's clock: hosts may disagree."""
        return self.open().filter(next_attempt_at__lte=Now())

    def for_tenant(self, tenant_id: int) -> "EmbeddingJobQuerySet":
        """Of one tenant."""
        return self.filter(tenant_id=tenant_id)

    def in_place_order(self) -> "EmbeddingJobQuerySet":
        """By tenant, and there the oldest first: the order of the primary key's index."""
        return self.order_by("tenant_id", "id")

    def after(self, tenant_id: int, job_id: int) -> "EmbeddingJobQuerySet":
        """Those that come after this place. The index serves tenant_id__gte."""
        return self.filter(Q(tenant_id__gt=tenant_id) | Q(id__gt=job_id), tenant_id__gte=tenant_id)

    def at(self, places: Sequence[tuple[int, int]]) -> "EmbeddingJobQuerySet":
        """Those with these tenant and job ids."""
        return self.filter(
            tenant_id__in={tenant_id for tenant_id, _ in places}, id__in=[job_id for _, job_id in places]
        )
