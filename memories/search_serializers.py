"""What comes into a search and what goes out."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from memories.fields import BoundedTextField, ChoiceField, MetadataField, NumberField, OptionalTextField
from memories.filter_grammar import read_filter
from memories.filters import Parts
from memories.lexical import idf
from memories.query import MAX_BYTES
from memories.ranking import Weights, terms
from memories.relevance import Relevance, signal_terms
from memories.search import MODES, Answer, Found, weights_of
from memories.serializers import FiltersIn, PlaceIn, PlaceOut, StrictSerializer, as_moment, as_placed
from memories.whole_messages import WholeMessage
from tenants.models import Tenant

TOP_K_MAX = 100


class SearchIn(FiltersIn, PlaceIn):
    """A search."""

    query = BoundedTextField(max_bytes=MAX_BYTES)
    top_k = serializers.IntegerField(min_value=1, max_value=TOP_K_MAX, default=5)
    mode = ChoiceField(choices=MODES, required=False, help_text="Left out: the tenant's, or hybrid.")
    explain = serializers.BooleanField(default=False)
    as_of = serializers.DateTimeField(
        required=False,
        help_text="Answers as the memory stood then: nothing said later, and the decay counts from then.",
    )


class WeightsIn(StrictSerializer):
    """Weights for one call; what is left out is the tenant's."""

    similarity = NumberField(min_value=0, max_value=1, required=False)
    importance = NumberField(min_value=0, max_value=1, required=False)
    decay = NumberField(min_value=0, max_value=1, required=False)
    half_life_days = NumberField(min_value=0.001, max_value=36500, required=False)


@extend_schema_field(
    {
        "type": "object",
        "description": "Nested AND, OR, NOT of {field: {operator: value}}; a value alone means eq. See docs/api.md.",
        "example": {"AND": [{"importance": {"gte": 0.5}}, {"NOT": {"metadata.channel": "email"}}]},
    }
)
class FilterField(serializers.Field[Parts, Any, Any, Any]):
    """A nested filter; becomes conditions on messages."""

    def to_internal_value(self, data: Any) -> Parts:
        """The conditions with their paths in the body; a ValidationError names the path of the fault."""
        return [(f"{self.field_name}.{path}", condition) for path, condition in read_filter(data)]


class SearchBody(SearchIn):
    """A search, with filters and weights that no query string could hold."""

    metadata = MetadataField(required=False, help_text="Every key must have exactly this value.")
    filters = FilterField(required=False)
    weights = WeightsIn(required=False)


class TermOut(serializers.Serializer[Any]):
    """One term of the score."""

    weight = serializers.FloatField()
    value = serializers.FloatField(allow_null=True)


class RelevanceOut(serializers.Serializer[Any]):
    """What made the similarity: signals times weights, added up, before min-max over the pool."""

    total = serializers.FloatField()
    lexical = TermOut(help_text="BM25 with context over the best candidate's.")
    vector = TermOut(help_text="Cosine, min-max over the candidates. Value null: no vector yet.")
    vector_context = TermOut(help_text="The same with the turns around it.")
    speaker = TermOut(help_text="By the one person that the query names.")
    time = TermOut(help_text="Close to the time that the query mentions.")
    session = TermOut(help_text="The best of its session over the best session's.")


class ExplainOut(serializers.Serializer[Any]):
    """How a hit got its score: weight times value, added up; and what made its similarity."""

    similarity = TermOut()
    importance = TermOut()
    decay = TermOut()
    redundancy = TermOut(
        help_text="Says nearly the same as a better hit: half of the similarity is taken back."
    )
    relevance = RelevanceOut()
    own_bm25 = serializers.FloatField()
    context_bm25 = serializers.FloatField()
    cosine = serializers.FloatField(allow_null=True)
    importance_is_explicit = serializers.BooleanField()
    age_days = serializers.FloatField()


class FoundOut(PlaceOut):
    """A message of an answer."""

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
    embedding_status = serializers.CharField()


class HitOut(FoundOut):
    """A found message."""

    score = serializers.FloatField()
    duplicates = serializers.ListField(
        child=serializers.UUIDField(), help_text="Messages with the same text, which this one stands for."
    )
    explain = ExplainOut(required=False)


class CandidatesOut(serializers.Serializer[Any]):
    """Where the candidates came from."""

    by_words = serializers.IntegerField()
    by_vector = serializers.IntegerField()
    newest = serializers.IntegerField(help_text="Filled up with, where words and vectors found too few.")
    total = serializers.IntegerField(help_text="With the turns around them.")


class WordOut(serializers.Serializer[Any]):
    """An index word of the query."""

    word = serializers.CharField()
    messages = serializers.IntegerField(help_text="How many of the tenant's messages hold it.")
    idf = serializers.FloatField()


class SpanOut(serializers.Serializer[Any]):
    """First and last day."""

    first = serializers.DateField()
    last = serializers.DateField()
    any_year = serializers.BooleanField()


class VectorSearchOut(serializers.Serializer[Any]):
    """How vectors were searched: all compared, or those in some of the tenant's buckets."""

    method = serializers.ChoiceField(["exact", "buckets"])
    probes = serializers.IntegerField(help_text="Buckets looked into.")
    buckets = serializers.IntegerField()


class SearchExplainOut(serializers.Serializer[Any]):
    """How the whole answer came about."""

    mode = serializers.CharField()
    as_of = serializers.DateTimeField()
    languages = serializers.ListField(
        child=serializers.CharField(),
        help_text="Whose rules made the words: the tenant's, and others while its messages are indexed anew.",
    )
    weights = serializers.DictField(
        child=serializers.FloatField(), help_text="Of similarity, importance and decay, with a sum of 1."
    )
    half_life_days = serializers.FloatField()
    candidates = CandidatesOut()
    words = WordOut(many=True, help_text="What was looked for in the index.")
    speakers = serializers.ListField(child=serializers.CharField(), help_text="Who the query names.")
    mentioned_time = SpanOut(allow_null=True, help_text="When the query is about.")
    vector_search = VectorSearchOut(
        allow_null=True, help_text="Null where vectors were not asked for, or could not be used."
    )
    milliseconds = serializers.DictField(child=serializers.FloatField())
    cached = serializers.BooleanField(
        help_text="Whether this is a repeated answer; the rest is then the first one's."
    )


class SearchOut(serializers.Serializer[Any]):
    """The answer to a search, best first."""

    results = HitOut(many=True)
    degraded = serializers.BooleanField()
    degraded_reason = serializers.CharField(allow_null=True)
    explain = SearchExplainOut(required=False)


def as_weights(tenant: Tenant, chosen: Mapping[str, float]) -> Weights:
    """The chosen weights, the tenant's where none is; ValidationError if that leaves nothing to rank by."""
    own = weights_of(tenant)
    try:
        return replace(own, **chosen) if chosen else own
    except ValueError as error:
        message = "Together with the tenant's own, at least one of similarity, importance and decay must be above 0."
        raise serializers.ValidationError({"weights": [message]}) from error


def as_search(answer: Answer, *, explain: bool, placed: bool) -> dict[str, Any]:
    """A search's answer -> the body that SearchOut describes, ready for JSON. `placed`: with where each message is.

    Made by hand: a serializer takes half a millisecond for what is a copy of five rows. A test holds the two together.
    """
    body: dict[str, Any] = {
        "results": [_as_hit(found, answer.weights, explain=explain, placed=placed) for found in answer.found],
        "degraded": answer.degraded,
        "degraded_reason": answer.degraded_reason or None,
    }
    return body | ({"explain": as_explained(answer)} if explain else {})


def as_explained(answer: Answer) -> dict[str, Any]:
    """How the whole answer came about, as SearchExplainOut describes it."""
    gathered, words = answer.gathered, answer.words
    return {
        "mode": answer.mode,
        "as_of": answer.as_of,
        "languages": list(words.languages),
        "weights": {name: getattr(answer.weights, name) for name in ("similarity", "importance", "decay")},
        "half_life_days": answer.weights.half_life_days,
        "candidates": {
            "by_words": len(gathered.by_words),
            "by_vector": len(gathered.by_vector),
            "newest": len(gathered.newest),
            "total": len(gathered.candidates),
        },
        "words": [
            {"word": term.lexeme, "messages": term.messages, "idf": idf(term, words.messages)}
            for term in words.terms
        ],
        "speakers": sorted(words.speakers),
        "mentioned_time": answer.span._asdict() if answer.span else None,
        "vector_search": asdict(answer.vector_search) if answer.vector_search else None,
        "milliseconds": answer.milliseconds,
        "cached": False,
    }


def _as_hit(found: Found, weights: Weights, *, explain: bool, placed: bool) -> dict[str, Any]:
    hit = as_message(found.message) | {"score": found.hit.score, "duplicates": list(found.hit.duplicates)}
    if placed:
        hit |= as_placed(found.message)
    return hit | ({"explain": as_terms(found, weights)} if explain else {})


def as_message(message: WholeMessage) -> dict[str, Any]:
    """A message as FoundOut describes it."""
    return {
        "id": message.id,
        "external_id": message.external_id or None,
        "conversation_id": message.conversation_id,
        "user_id": message.user_id or None,
        "agent_id": message.agent_id or None,
        "role": message.role,
        "name": message.name or None,
        "content": message.content,
        "metadata": message.metadata,
        "created_at": as_moment(message.created_at),
        "importance": message.importance,
        "embedding_status": message.embedding_status,
    }


def as_relevance(relevance: Relevance) -> dict[str, Any]:
    """A relevance with its terms, as RelevanceOut describes it."""
    return {
        "total": relevance.total,
        **{name: term._asdict() for name, term in signal_terms(relevance).items()},
    }


def as_terms(found: Found, weights: Weights) -> dict[str, Any]:
    """How a hit got its score, as ExplainOut describes it."""
    hit, candidate = found.hit, found.hit.candidate
    return {
        **{name: term._asdict() for name, term in terms(hit, weights=weights).items()},
        "relevance": as_relevance(hit.relevance),
        "own_bm25": candidate.own_bm25,
        "context_bm25": hit.relevance.context_bm25,
        "cosine": candidate.cosine,
        "importance_is_explicit": found.message.importance_is_explicit,
        "age_days": hit.age_days,
    }
