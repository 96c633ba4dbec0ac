"""What goes in and out where somebody asks why a message is, or is not, in an answer."""

from typing import Any

from rest_framework import serializers

from memories.ranking import terms
from memories.search import Answer
from memories.search_serializers import (
    RelevanceOut,
    SearchBody,
    SearchExplainOut,
    TermOut,
    as_explained,
    as_relevance,
)
from memories.why import Missed, Standing, Verdict, Why


class WhyIn(SearchBody):
    """A search, and the message in question."""

    message_id = serializers.UUIDField()


class ScoreOut(serializers.Serializer[Any]):
    """The terms of a score: weight times value, added up."""

    similarity = TermOut()
    importance = TermOut()
    decay = TermOut()
    redundancy = TermOut()


class StandingOut(serializers.Serializer[Any]):
    """The place of a candidate."""

    id = serializers.UUIDField()
    rank = serializers.IntegerField(help_text="Among all different candidates; 1 is the best.")
    score = serializers.FloatField(allow_null=True, help_text="Null: not relevant enough to get one.")
    terms = ScoreOut(allow_null=True, help_text="Of the score.")
    relevance = RelevanceOut()
    own_bm25 = serializers.FloatField()
    context_bm25 = serializers.FloatField()
    cosine = serializers.FloatField(allow_null=True)


class MissedOut(serializers.Serializer[Any]):
    """How near the message came to being a candidate."""

    bm25 = serializers.FloatField()
    least_bm25 = serializers.FloatField(allow_null=True, help_text="Of those taken by words.")
    cosine = serializers.FloatField(allow_null=True)
    least_cosine = serializers.FloatField(allow_null=True, help_text="Of those taken by vector.")


class WhyOut(serializers.Serializer[Any]):
    """Why the message is, or is not, in the answer."""

    message_id = serializers.UUIDField()
    verdict = serializers.ChoiceField(choices=list(Verdict))
    reason = serializers.CharField(help_text="For people.")
    embedding_status = serializers.ChoiceField(choices=["pending", "ready", "failed"])
    query_words = serializers.ListField(
        child=serializers.CharField(), help_text="The index words of the query that the message holds."
    )
    excluded_by = serializers.ListField(
        child=serializers.CharField(), help_text="The fields of the request that it does not pass."
    )
    standing = StandingOut(
        allow_null=True, help_text="Its own place; for a duplicate, that of the message that stands for it."
    )
    compared_with = StandingOut(
        allow_null=True, help_text="The last of the answer, or the least relevant that was ranked."
    )
    loses_by = serializers.CharField(
        allow_null=True,
        help_text="The term of the score, or the signal of the relevance, that costs it most.",
    )
    missed = MissedOut(allow_null=True)
    degraded = serializers.BooleanField()
    degraded_reason = serializers.CharField(allow_null=True)
    explain = SearchExplainOut(required=False)


def as_why(why: Why, *, explain: bool) -> dict[str, Any]:
    """A verdict -> the body that WhyOut describes, ready for JSON."""
    answer = why.answer
    body: dict[str, Any] = {
        "message_id": str(why.message.id),
        "verdict": str(why.verdict),
        "reason": why.reason,
        "embedding_status": why.message.embedding_status,
        "query_words": list(why.query_words),
        "excluded_by": list(why.excluded_by),
        "standing": _as_standing(why.standing, answer),
        "compared_with": _as_standing(why.compared_with, answer),
        "loses_by": why.loses_by,
        "missed": _as_missed(why.missed),
        "degraded": answer.degraded,
        "degraded_reason": answer.degraded_reason or None,
    }
    return body | ({"explain": as_explained(answer)} if explain else {})


def _as_standing(standing: Standing | None, answer: Answer) -> dict[str, Any] | None:
    if standing is None:
        return None
    hit, candidate = standing.hit, standing.candidate
    return {
        "id": candidate.id,
        "rank": standing.rank,
        "score": hit and hit.score,
        "terms": hit and {name: term._asdict() for name, term in terms(hit, weights=answer.weights).items()},
        "relevance": as_relevance(standing.relevance),
        "own_bm25": candidate.own_bm25,
        "context_bm25": standing.relevance.context_bm25,
        "cosine": candidate.cosine,
    }


def _as_missed(missed: Missed | None) -> dict[str, Any] | None:
    return None if missed is None else dict(vars(missed))
