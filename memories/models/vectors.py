"""Vectors of messages, where they can be compared, and the buckets of large tenants."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from pgvector.django import HalfVectorField

from tenants.models import Tenant


class EmbeddingSpace(models.Model):
    """Where vectors can be compared: one provider's model at one number of dimensions."""

    id = models.SmallAutoField(primary_key=True)
    provider = models.TextField()
    model = models.TextField()
    dimensions = models.PositiveSmallIntegerField()
    active = models.BooleanField(default=False, help_text="The space that ingest fills and search reads.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "model", "dimensions"], name="space_identity"),
            models.UniqueConstraint(fields=["active"], condition=Q(active=True), name="space_one_active"),
        ]

    def __str__(self) -> str:
        return f"{self.provider}/{self.model} ({self.dimensions})"


class MessageEmbedding(models.Model):
    """One vector of a message in one space: part 0 is of its whole text, the others of a long text's passages.

    Narrow, and written once but for its bucket: the index `embedding_search` carries the vector, so a tenant's vectors
    lie side by side in it, bucket by bucket, and a search never touches the table. A message has a vector in a space
    if part 0 is there: its parts come and go together.
    """

    # It serves the cascade of a deleted message as well, which knows no space.
    pk = models.CompositePrimaryKey("tenant_id", "message_id", "space_id", "part")
    # No constraint of its own: the one on (tenant_id, message_id), made by the migration, says more.
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False, db_constraint=False)
    space = models.ForeignKey(EmbeddingSpace, on_delete=models.PROTECT, db_index=False)
    message_id = models.UUIDField()
    part = models.SmallIntegerField(db_default=0)
    bucket = models.IntegerField(
        db_default=0, help_text="Which of the tenant's centroids is nearest; 0: none yet."
    )
    embedding = HalfVectorField()

    class Meta:
        indexes = [
            models.Index(
                fields=["tenant", "space", "bucket", "message_id", "part"],
                include=["embedding"],
                name="embedding_search",
            )
        ]

    def __str__(self) -> str:
        return f"embedding of {self.message_id}, part {self.part}"


class Centroid(models.Model):
    """The middle of a bucket of a tenant's vectors. No two tenants share any: they would tell of each other's texts.

    `bucket` is the generation of the tenant's codebook times 65,536 plus a number: a new generation has new numbers.
    Written once. Invariant: a vector in a bucket other than 0 has its centroid here.
    """

    pk = models.CompositePrimaryKey("tenant_id", "space_id", "bucket")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False)
    space = models.ForeignKey(EmbeddingSpace, on_delete=models.CASCADE, db_index=False)
    bucket = models.IntegerField()
    centroid = HalfVectorField()

    def __str__(self) -> str:
        return f"bucket {self.bucket}"


class VectorRecall(models.Model):
    """How many of the nearest messages a tenant's buckets find, as `check_recall` last measured it."""

    pk = models.CompositePrimaryKey("tenant_id", "space_id")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False)
    space = models.ForeignKey(EmbeddingSpace, on_delete=models.CASCADE, db_index=False)
    recall = models.FloatField(help_text="Mean over the queries, 0 to 1.")
    k = models.PositiveSmallIntegerField()
    queries = models.PositiveIntegerField()
    measured_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"recall@{self.k} {self.recall:.3f}"
