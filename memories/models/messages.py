"""Messages, and when each was last recalled."""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from memories.querysets import PENDING, MessageQuerySet
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


def index_terms() -> Func:
    """What messages are found by: their words, each hashed with the tenant.

    A GIN index cannot lead with a column; so every posting list is of one tenant alone.
    """
    words = Func("document", function="tsvector_to_array")
    return Func("tenant_id", words, function="memories_terms")


class MessageFields(models.Model):
    """What is kept of a message wherever it is: moving one between tables keeps all of it."""

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
    # memories_document() is made by migrations. Its lexeme of the tenant was for an index that is gone.
    document = models.GeneratedField(
        expression=Func(F("tenant_id"), F("language"), F("content"), function="memories_document"),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.role} in {self.conversation_id}"

    @property
    def embedding_status(self) -> str:
        """pending, ready or failed, as whoever read the row found; a row stored just now waits for its vector."""
        return str(self.__dict__.get("job_state", PENDING))


class Message(MessageFields):
    """One turn of a conversation, as it was said."""

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
            GinIndex(index_terms(), name="message_terms", gin_pending_list_limit=256),
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


class MessageRecall(models.Model):
    """When a message was last in an answer. Apart from the message: its row and indexes are not rewritten for that."""

    pk = models.CompositePrimaryKey("tenant_id", "message_id")
    # The constraint on (tenant_id, message_id), made by the migration, says more.
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, db_index=False, db_constraint=False)
    message_id = models.UUIDField()
    last_recalled_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.message_id} recalled at {self.last_recalled_at.isoformat()}"
