"""The outbox of messages that wait for their vectors, and what embedding took."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from memories.models.vectors import EmbeddingSpace
from memories.querysets import EmbeddingJobQuerySet
from tenants.models import Tenant


class EmbeddingJob(models.Model):
    """A message that waits for its vector: the outbox row, written in the message's own transaction.

    The row is the truth and goes when the vector is stored. `next_attempt_at` keeps workers off it, both while
    it backs off and while a lease runs; `lease_token` fences out a worker whose lease has run out.
    """

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False, db_constraint=False)
    message_id = models.UUIDField()
    space = models.ForeignKey(EmbeddingSpace, on_delete=models.CASCADE, db_index=False)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(db_default=Now())
    lease_token = models.UUIDField(null=True, editable=False)
    last_error = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    buried_at = models.DateTimeField(null=True, blank=True)

    objects = EmbeddingJobQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["next_attempt_at"], name="job_due", condition=Q(buried_at=None)),
        ]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "message_id", "space"], name="job_once_per_space"),
        ]

    def __str__(self) -> str:
        return f"embedding job of {self.message_id}"


class EmbeddingUsage(models.Model):
    """What embedding a tenant's messages took on a day (by UTC) in a space; `memories.costs` adds to it."""

    pk = models.CompositePrimaryKey("tenant_id", "space_id", "day")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False)
    # The account outlives a dropped space, so the database does not insist; ids of spaces are never used twice.
    space = models.ForeignKey(EmbeddingSpace, on_delete=models.PROTECT, db_index=False, db_constraint=False)
    day = models.DateField()
    tokens = models.BigIntegerField(default=0)
    calls = models.IntegerField(default=0)
    cost_micro_usd = models.BigIntegerField(default=0, help_text="Millionths of a US dollar.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(tokens__gte=0, calls__gte=0, cost_micro_usd__gte=0), name="usage_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tokens} tokens on {self.day}"
