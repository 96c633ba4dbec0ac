"""What comes into a search and what goes out."""

from typing import Any

from rest_framework import serializers

from memories.fields import BoundedTextField, ChoiceField, OptionalTextField
from memories.ranking import Weights
from memories.search import HYBRID, MODES, Answer, Found
from memories.serializers import FiltersIn

QUERY_BYTES = 8 * 1024
TOP_K_MAX = 100


class SearchIn(FiltersIn):
    """A search."""

    query = BoundedTextField(max_bytes=QUERY_BYTES)
    top_k = serializers.IntegerField(min_value=1, max_value=TOP_K_MAX, default=5)
    mode = ChoiceField(choices=MODES, default=HYBRID)
    explain = serializers.BooleanField(default=False)


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
