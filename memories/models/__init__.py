"""What is kept: messages, their vectors, the jobs that make the vectors, word counts, and the archive.

Every tenant-owned table has a primary key that starts with tenant_id (the migration sees to it where Django's
admin needs a single-column key), so that rows of one tenant lie together in every index and the schema can be
distributed by tenant. Hence the rule: look rows up by tenant and id, never by id alone.
"""

from memories.models.archive import ArchivedEmbedding, ArchivedMessage, Subject, Suppression
from memories.models.jobs import EmbeddingJob, EmbeddingUsage
from memories.models.messages import Message, MessageFields, MessageRecall, Role, SpeakerKey
from memories.models.vectors import Centroid, EmbeddingSpace, MessageEmbedding, VectorRecall
from memories.models.words import Corpus, TermChange, TermStatistic

__all__ = [
    "ArchivedEmbedding",
    "ArchivedMessage",
    "Centroid",
    "Corpus",
    "EmbeddingJob",
    "EmbeddingSpace",
    "EmbeddingUsage",
    "Message",
    "MessageEmbedding",
    "MessageFields",
    "MessageRecall",
    "Role",
    "SpeakerKey",
    "Subject",
    "Suppression",
    "TermChange",
    "TermStatistic",
    "VectorRecall",
]
