"""What is kept: messages, their vectors, and the jobs that make the vectors.

Every tenant-owned table has a primary key that starts with tenant_id (the migration sees to it where Django's
admin needs a single-column key), so that rows of one tenant lie together in every index and the schema can be
distributed by tenant. Hence the rule: look rows up by tenant and id, never by id alone.
"""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Now
from pgvector.django import HalfVectorField
from uuid_utils.compat import uuid7

from memories.querysets import PENDING, EmbeddingJobQuerySet, MessageQuerySet
from tenants.languages import ENGLISH
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
    language = models.TextField(
        db_default=ENGLISH, editable=False, help_text="Whose rules cut the text into index words."
    )
    created_at = models.DateTimeField(help_text="When it was said.")
    stored_at = models.DateTimeField(db_default=Now(), editable=False)
    # The tenant stands in the document as a lexeme of its own: a GIN index cannot lead with a column, so this
    # is what keeps its posting lists apart by tenant. memories_document() is made by migrations.
    document = models.GeneratedField(
        expression=Func(F("tenant_id"), F("language"), F("content"), function="memories_document"),
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
            # For `metadata @>`: without it a filter reads all of a tenant's messages, 0.6 s for a million.
            GinIndex(
                fields=["metadata"],
                name="message_metadata",
                opclasses=["jsonb_path_ops"],
                gin_pending_list_limit=256,
            ),
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


class Corpus(models.Model):
    """What a tenant's messages in one index language are together, for BM25; `memories.lexicon` keeps it.

    There is one language, the tenant's, but while messages are being indexed anew: so the rows tell what is left to do.
    """

    pk = models.CompositePrimaryKey("tenant_id", "language")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False)
    language = models.TextField()
    messages = models.BigIntegerField()
    words = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.messages} messages in {self.language}"


class TermStatistic(models.Model):
    """How many messages of a tenant hold a term (an index word); `memories.lexicon` keeps it."""

    pk = models.CompositePrimaryKey("tenant_id", "term")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False)
    term = models.TextField()
    messages = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.messages} messages with {self.term}"


class TermChange(models.Model):
    """A message that came (+1) or went (-1) and is not counted yet: written by a trigger, in its transaction."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False, db_constraint=False)
    messages = models.SmallIntegerField()
    words = models.IntegerField()
    language = models.TextField()
    terms = ArrayField(models.TextField())

    def __str__(self) -> str:
        return f"{self.messages:+d} message with {len(self.terms)} terms"


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
