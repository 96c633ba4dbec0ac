"""What comes in and what goes out: one serializer a direction. No rule of the domain lives here."""

import difflib
from collections.abc import Mapping
from typing import Any, cast

from rest_framework import serializers

from memories.fields import (
    BoundedTextField,
    ChoiceField,
    CreatedAtField,
    IdentifierField,
    ImportanceField,
    MetadataField,
    OptionalTextField,
)
from memories.filters import MessageFilters
from memories.ingest import NewMessage
from memories.models import Role
from memories.ranking import Weights
from memories.search import HYBRID, MODES, Answer, Found
from tenants.identifiers import MAX_LENGTH

CONTENT_BYTES = 64 * 1024
QUERY_BYTES = 8 * 1024
BATCH_MESSAGES = 1000
TOP_K_MAX = 100
# Looking for what was meant takes time: a body of nothing but unknown fields is not worth it.
UNKNOWN_NAMED = 10


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields it does not know: a misspelt one would be lost without a word."""

    def to_internal_value(self, data: Any) -> Any:
        """The validated values; a ValidationError names every fault, unknown fields among them."""
        unknown = [name for name in data if name not in self.fields] if isinstance(data, Mapping) else []
        faults = {str(name)[:MAX_LENGTH]: [_unknown(name, self.fields)] for name in unknown[:UNKNOWN_NAMED]}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**cast(dict[str, Any], error.detail), **faults}) from error
        if faults:
            raise serializers.ValidationError(faults)
        return values


def _unknown(name: Any, known: Mapping[str, Any]) -> serializers.ErrorDetail:
    close = difflib.get_close_matches(str(name)[:MAX_LENGTH], known, n=1)
    return serializers.ErrorDetail(
        "There is no such field" + (f"; did you mean {close[0]}?" if close else "."), code="unknown"
    )


class MessageIn(StrictSerializer):
    """One message to store."""

    tenant_id = IdentifierField(required=False)
    conversation_id = IdentifierField()
    role = ChoiceField(choices=Role.choices)
    content = BoundedTextField(max_bytes=CONTENT_BYTES)
    name = IdentifierField(required=False, help_text="The speaker's name.")
    user_id = IdentifierField(required=False)
    agent_id = IdentifierField(required=False)
    external_id = IdentifierField(required=False, help_text="Your own id: storing it twice stores it once.")
    metadata = MetadataField(required=False)
    importance = ImportanceField(
        required=False, allow_null=True, help_text="Left out: scored from role and words."
    )
    pinned = serializers.BooleanField(required=False)
    created_at = CreatedAtField(required=False, help_text="Left out: now.")


class BatchIn(StrictSerializer):
    """Up to 1,000 messages of one tenant, all or nothing."""

    tenant_id = IdentifierField(required=False, help_text="For messages that name none.")
    messages: Any = serializers.ListSerializer(
        child=MessageIn(), allow_empty=False, max_length=BATCH_MESSAGES
    )


class MessagePatch(StrictSerializer):
    """What may change of a message; its place in the conversation may not."""

    content = BoundedTextField(max_bytes=CONTENT_BYTES, required=False)
    metadata = MetadataField(required=False)
    importance = ImportanceField(required=False)
    pinned = serializers.BooleanField(required=False)


class StoredOut(serializers.Serializer[Any]):
    """The answer to storing: what a caller needs next."""

    id = serializers.UUIDField()
    external_id = OptionalTextField()
    conversation_id = serializers.CharField()
    importance = serializers.FloatField()
    created_at = serializers.DateTimeField()
    embedding_status = serializers.ChoiceField(choices=["pending", "ready", "failed"])


class BatchOut(serializers.Serializer[Any]):
    """In the order of the request."""

    messages = StoredOut(many=True)


class MessageOut(StoredOut):
    """A whole message."""

    role = serializers.CharField()
    name = OptionalTextField()
    user_id = OptionalTextField()
    agent_id = OptionalTextField()
    content = serializers.CharField()
    metadata = serializers.JSONField()
    pinned = serializers.BooleanField()


class MessagePage(serializers.Serializer[Any]):
    """A page of messages; `next` is the cursor of the following one, null at the end."""

    messages = MessageOut(many=True)
    next = serializers.CharField(allow_null=True)


class TenantIn(StrictSerializer):
    """Which tenant; a tenant's own key need not say."""

    tenant_id = IdentifierField(required=False)


class FiltersIn(TenantIn):
    """The filters of a query string; `metadata.<key>=<value>` may be repeated with other keys."""

    conversation_id = IdentifierField(required=False)
    user_id = IdentifierField(required=False)
    agent_id = IdentifierField(required=False)
    role = ChoiceField(choices=Role.choices, required=False)
    since = serializers.DateTimeField(required=False, help_text="From this moment on.")
    until = serializers.DateTimeField(required=False, help_text="Before this moment.")


class SearchIn(FiltersIn):
    """A search."""

    query = BoundedTextField(max_bytes=QUERY_BYTES)
    top_k = serializers.IntegerField(min_value=1, max_value=TOP_K_MAX, default=5)
    mode = ChoiceField(choices=MODES, default=HYBRID)
    explain = serializers.BooleanField(default=False)


class ListIn(FiltersIn):
    """A page of messages."""

    limit = serializers.IntegerField(min_value=1, max_value=100, default=50)
    cursor = serializers.CharField(required=False)


class TermOut(serializers.Serializer[Any]):
    """One term of the score."""

    weight = serializers.FloatField()
    value = serializers.FloatField()


class ExplainOut(serializers.Serializer[Any]):
    """How a hit got its score: weight times value, added up; and what made its similarity."""

    similarity = TermOut()
    importance = TermOut()
    decay = TermOut()
    relevance = serializers.FloatField(help_text="Before min-max over the pool.")
    lexical = serializers.FloatField(help_text="BM25 with context over the best candidate's.")
    own_bm25 = serializers.FloatField()
    context_bm25 = serializers.FloatField()
    vector = serializers.FloatField(
        allow_null=True, help_text="Cosine, min-max over the candidates; null: none yet."
    )
    cosine = serializers.FloatField(allow_null=True)
    by_named_speaker = serializers.BooleanField()
    importance_is_explicit = serializers.BooleanField()
    age_days = serializers.FloatField()


class HitOut(serializers.Serializer[Any]):
    """A found message."""

    id = serializers.UUIDField()
    external_id = OptionalTextField()
    conversation_id = serializers.CharField()
    user_id = OptionalTextField()
    agent_id = OptionalTextField()
    role = serializers.CharField()
    name = OptionalTextField()
    content = serializers.CharField()
    metadata = serializers.JSONField()
    created_at = serializers.DateTimeField()
    importance = serializers.FloatField()
    score = serializers.FloatField()
    embedding_status = serializers.CharField()
    explain = ExplainOut(required=False)


class SearchExplainOut(serializers.Serializer[Any]):
    """How the whole answer came about."""

    half_life_days = serializers.FloatField()
    candidates = serializers.IntegerField()
    words = serializers.ListField(
        child=serializers.CharField(), help_text="What was looked for in the index."
    )
    speakers = serializers.ListField(child=serializers.CharField(), help_text="Who the query names.")
    milliseconds = serializers.DictField(child=serializers.FloatField())


class SearchOut(serializers.Serializer[Any]):
    """The answer to a search, best first."""

    results = HitOut(many=True)
    degraded = serializers.BooleanField()
    degraded_reason = serializers.CharField(allow_null=True)
    explain = SearchExplainOut(required=False)


def as_new_message(values: Mapping[str, Any]) -> NewMessage:
    """Validated input -> what ingest takes."""
    return NewMessage(**{name: value for name, value in values.items() if name != "tenant_id"})


def as_filters(values: Mapping[str, Any], metadata: Mapping[str, str]) -> MessageFilters:
    """Validated query parameters -> hard filters."""
    names = ("conversation_id", "user_id", "agent_id", "role", "since", "until")
    return MessageFilters(**{name: values.get(name) for name in names}, metadata=dict(metadata))


def as_search(answer: Answer, *, explain: bool) -> dict[str, Any]:
    """A search's answer -> what SearchOut takes."""
    body: dict[str, Any] = {
        "results": [_as_hit(found, answer.weights, explain=explain) for found in answer.found],
        "degraded": answer.degraded,
        "degraded_reason": answer.degraded_reason or None,
    }
    if explain:
        body["explain"] = {
            "half_life_days": answer.weights.half_life_days,
            "candidates": answer.candidate_count,
            "words": list(answer.lexemes),
            "speakers": sorted(answer.speakers),
            "milliseconds": answer.milliseconds,
        }
    return body


def _as_hit(found: Found, weights: Weights, *, explain: bool) -> dict[str, Any]:
    names = [str(name) for name in HitOut().fields if str(name) not in ("score", "explain")]
    hit = {name: getattr(found.message, name) for name in names} | {"score": found.hit.score}
    return hit | ({"explain": _as_terms(found, weights)} if explain else {})


def _as_terms(found: Found, weights: Weights) -> dict[str, Any]:
    hit, candidate = found.hit, found.hit.candidate
    return {
        "similarity": {"weight": weights.similarity, "value": hit.similarity},
        "importance": {"weight": weights.importance, "value": candidate.importance},
        "decay": {"weight": weights.decay, "value": hit.decay},
        "relevance": hit.relevance,
        "lexical": hit.lexical,
        "own_bm25": candidate.own_bm25,
        "context_bm25": candidate.context_bm25,
        "vector": hit.vector,
        "cosine": candidate.cosine,
        "by_named_speaker": candidate.by_named_speaker,
        "importance_is_explicit": found.message.importance_is_explicit,
        "age_days": hit.age_days,
    }
