"""What is kept: messages, their vectors, and the jobs that make the vectors.

Every tenant-owned table has a primary key that starts with tenant_id (the migration sees to it where Django's
admin needs a single-column key), so that rows of one tenant lie together in every index and the schema can be
distributed by tenant. Hence the rule: look rows up by tenant and id, never by id alone.
"""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Now
from pgvector.django import HalfVectorField
from uuid_utils.compat import uuid7

from memories.querysets import PENDING, EmbeddingJobQuerySet, MessageQuerySet
from tenants.models import Tenant


class Role(models.TextChoices):
    """Who spoke, in the terms of the chat APIs."""

    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"
    TOOL = "tool"


class SpeakerKey(Func):
    """The first word of the speaker's name in lower case: what a query calls a person by."""

    template = "lower(split_part(%(expressions)s, ' ', 1))"
    output_field = models.TextField()


class Message(models.Model):
    """One turn of a conversation, as it was said."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False)
    conversation_id = models.TextField()
    role = models.TextField(choices=Role.choices)
    name = models.TextField(blank=True, default="", help_text="The speaker's name.")
    user_id = models.TextField(blank=True, default="", help_text="The end user the message belongs to.")
    agent_id = models.TextField(blank=True, default="")
    external_id = models.TextField(null=True, blank=True, help_text="The client's own id, unique per tenant.")
    content = models.TextField()
    metadata = models.JSONField(default=dict, blank=True, encoder=DjangoJSONEncoder)
    importance = models.FloatField()
    importance_is_explicit = models.BooleanField(default=False)
    pinned = models.BooleanField(default=False)
    word_count = models.IntegerField(editable=False)
    created_at = models.DateTimeField(help_text="When it was said.")
    stored_at = models.DateTimeField(db_default=Now(), editable=False)
    # The tenant stands in the document as a lexeme of its own: a GIN index cannot lead with a column, so this
    # is what keeps its posting lists apart by tenant. memories_document() is made by the first migration.
    document = models.GeneratedField(
        expression=Func(F("tenant_id"), F("content"), function="memories_document"),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    objects = MessageQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["tenant", "conversation_id", "created_at", "id"],
                include=["word_count"],
                name="message_conversation",
            ),
            models.Index(fields=["tenant", "created_at", "id"], name="message_created"),
            models.Index(
                fields=["tenant", "user_id", "created_at"], name="message_user", condition=~Q(user_id="")
            ),
            models.Index("tenant", SpeakerKey("name"), name="message_speaker", condition=~Q(name="")),
            # Each search reads the pending list from end to end; at 256 kB ingest is as fast as at the default 4 MB.
            GinIndex(fields=["document"], name="message_document", gin_pending_list_limit=256),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "external_id"],
                name="message_external_id",
                condition=Q(external_id__isnull=False),
            ),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="message_role"),
            models.CheckConstraint(
                condition=Q(importance__gte=0, importance__lte=1), name="message_importance_0_to_1"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role} in {self.conversation_id}"

    @property
    def embedding_status(self) -> str:
        """pending, ready or failed, as with_embedding_status() read it; a row stored just now waits for its vector."""
        return str(self.__dict__.get("job_state", PENDING))


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
    """A message's vector in one space.

    Narrow and written once: the primary key's index carries the vector (INCLUDE, by the migration), so a
    tenant's vectors lie side by side in it and an exact search never touches the table.
    """

    pk = models.CompositePrimaryKey("tenant_id", "space_id", "message_id")
    # No constraint of its own: the one on (tenant_id, message_id), made by the migration, says more.
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False, db_constraint=False)
    space = models.ForeignKey(EmbeddingSpace, on_delete=models.PROTECT, db_index=False)
    message_id = models.UUIDField()
    embedding = HalfVectorField()

    class Meta:
        # For the cascade of a deleted message, which knows no space.
        indexes = [models.Index(fields=["tenant", "message_id"], name="embedding_message")]

    def __str__(self) -> str:
        return f"embedding of {self.message_id}"


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
