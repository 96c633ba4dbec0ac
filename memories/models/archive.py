"""What left the memory and can come back, and what must not come back."""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from pgvector.django import HalfVectorField

from memories.models.messages import MessageFields, index_terms
from memories.models.vectors import EmbeddingSpace
from tenants.models import Tenant


class ArchivedMessage(MessageFields):
    """A message out of the memory, with all that brings it back unchanged and the reason why it left.

    `deleted_at` set: out of the archive too; it waits for the end of the grace period, and can be restored until then.
    """

    # Copied, not generated: moving takes half the time.
    document = SearchVectorField()
    archived_at = models.DateTimeField()
    archived_by = models.UUIDField(null=True, help_text="The retention run that moved it here.")
    policy = models.TextField(help_text="The name of the policy that it left by.")
    reason = models.TextField()
    deleted_at = models.DateTimeField(null=True, help_text="Set: deleted, and purged after the grace period.")
    deleted_by = models.UUIDField(null=True, help_text="The retention run that deleted it.")
    deletion_reason = models.TextField(blank=True, default="")
    last_recalled_at = models.DateTimeField(null=True)
    jobs = models.JSONField(default=list, help_text="Its embedding jobs as they were.")

    class Meta:
        indexes = [
            models.Index(
                fields=["tenant", "conversation_id", "created_at", "id"], name="archived_conversation"
            ),
            models.Index(
                fields=["tenant", "created_at", "id"],
                name="archived_created",
                condition=models.Q(deleted_at__isnull=True),
            ),
            models.Index(fields=["tenant", "archived_at", "id"], name="archived_at"),
            models.Index(
                fields=["tenant", "user_id", "created_at"],
                name="archived_user",
                condition=~models.Q(user_id=""),
            ),
            models.Index(fields=["tenant", "archived_by"], name="archived_by_run"),
            models.Index(
                fields=["tenant", "deleted_at"],
                name="archived_deleted",
                condition=models.Q(deleted_at__isnull=False),
            ),
            models.Index(
                fields=["tenant", "external_id"],
                name="archived_external_id",
                condition=models.Q(external_id__isnull=False),
            ),
            GinIndex(index_terms(), name="archived_terms", gin_pending_list_limit=256),
        ]


class ArchivedEmbedding(models.Model):
    """A vector of an archived message, as it was. `bucket` is where it goes back to if that is still there."""

    pk = models.CompositePrimaryKey("tenant_id", "message_id", "space_id", "part")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False, db_constraint=False)
    space = models.ForeignKey(EmbeddingSpace, on_delete=models.PROTECT, db_index=False)
    message_id = models.UUIDField()
    part = models.SmallIntegerField()
    bucket = models.IntegerField()
    searchable = models.BooleanField(default=True, help_text="False: its message is deleted.")
    embedding = HalfVectorField()

    class Meta:
        indexes = [
            models.Index(
                fields=["tenant", "space", "message_id", "part"],
                include=["embedding"],
                name="archived_embedding_search",
                condition=models.Q(searchable=True),
            )
        ]

    def __str__(self) -> str:
        return f"embedding of {self.message_id}, part {self.part}"


class Subject(models.TextChoices):
    """Whose messages were erased as a whole."""

    USER = "user"
    CONVERSATION = "conversation"


class Suppression(models.Model):
    """Whoever was erased: what was said up to then is not taken back, from whatever late job, restore or import.

    `digest` is the SHA-256 of tenant id, kind and subject with NUL between them: the subject itself is not kept.
    """

    pk = models.CompositePrimaryKey("tenant_id", "digest")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False)
    digest = models.BinaryField(max_length=32)
    kind = models.TextField(choices=Subject.choices)
    erased_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"a {self.kind} erased at {self.erased_at.isoformat()}"
