"""What comes into a context and what goes out, alone and together with a stored message."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from memories.context import MAX_TOKENS, RECENT_TURNS, TOP_K, Context, Wanted
from memories.fields import IdentifierField, StrictBooleanField
from memories.filters import all_of
from memories.prompt_block import SOURCES
from memories.search_serializers import (
    TOP_K_MAX,
    ExplainOut,
    FoundOut,
    SearchBody,
    SearchExplainOut,
    as_explained,
    as_message,
    as_terms,
    as_weights,
)
from memories.serializers import MessageIn, StoredOut, as_filters, as_placed
from memories.tables import tables
from tenants.models import Tenant

# Below it hardly a memory fits beside what is always said (119 by the estimate); the most is some 100 kB of text.
TOKENS_MIN, TOKENS_MAX = 200, 32_000
RECENT_MAX = 100


class ContextIn(SearchBody):
    """A query in a conversation. The filters are for what is searched for, not for the conversation's newest turns."""

    conversation_id = IdentifierField(
        required=False, help_text="Whose newest turns to give; all conversations are searched."
    )
    max_tokens = serializers.IntegerField(
        min_value=TOKENS_MIN, max_value=TOKENS_MAX, default=MAX_TOKENS, help_text="What `text` may take."
    )
    recent = serializers.IntegerField(
        min_value=0, max_value=RECENT_MAX, default=RECENT_TURNS, help_text="How many newest turns."
    )
    top_k = serializers.IntegerField(
        min_value=1, max_value=TOP_K_MAX, default=TOP_K, help_text="How many relevant messages."
    )


class ContextOptions(ContextIn):
    """The same beside a message, which says the rest itself."""

    tenant_id = None  # type: ignore[assignment]  # DRF's way to drop a field
    conversation_id = None  # type: ignore[assignment]
    query = None  # type: ignore[assignment]
    user_id = IdentifierField(
        required=False, allow_null=True, help_text="Left out: the message's; null: everybody."
    )


class MessageWithContextIn(MessageIn):
    """One message to store, and whether to answer with the context for replying to it."""

    return_context = StrictBooleanField(required=False, help_text="Needs the scope `read` too.")
    context = ContextOptions(required=False)  # type: ignore[assignment]  # a field, not DRF's property of that name

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Options for a context that is not asked for are a mistake; one asked for without options has the usual."""
        if attrs.get("return_context"):
            attrs.setdefault("context", self.fields["context"].run_validation({}))
        elif "context" in attrs:
            raise serializers.ValidationError({"context": ["Needs return_context: true."]})
        return attrs


class MemoryOut(FoundOut):
    """A message of the context."""

    number = serializers.IntegerField(help_text="Its [number] in the text.")
    source = serializers.ChoiceField(choices=SOURCES)  # type: ignore[assignment]
    score = serializers.FloatField(allow_null=True, help_text="Of relevant ones.")
    duplicates = serializers.ListField(
        child=serializers.UUIDField(), help_text="Messages with the same text, which this one stands for."
    )
    truncated = serializers.BooleanField(help_text="Its content is shortened here.")
    explain = ExplainOut(required=False)


class LeftOut(serializers.Serializer[Any]):
    """What was found but did not fit."""

    count = serializers.IntegerField()
    ids = serializers.ListField(child=serializers.UUIDField())


class ContextOut(serializers.Serializer[Any]):
    """What to know before answering: as messages, and as one text for the prompt."""

    messages = MemoryOut(many=True, help_text="In the order of the text.")
    text = serializers.CharField(allow_blank=True, help_text="Empty if nothing was found.")
    tokens = serializers.IntegerField(help_text="What the text takes.")
    max_tokens = serializers.IntegerField()
    token_count_exact = serializers.BooleanField(
        help_text="Counted by the local tokenizer; otherwise estimated on the safe side."
    )
    left_out = LeftOut()
    degraded = serializers.BooleanField()
    degraded_reason = serializers.CharField(allow_null=True)
    explain = SearchExplainOut(required=False)


class StoredWithContextOut(StoredOut):
    """The answer to storing; with `return_context` also the context, null with the reason if it could not be built."""

    context = ContextOut(required=False, allow_null=True)  # type: ignore[assignment]
    context_error = serializers.CharField(required=False, allow_null=True)


def as_wanted(tenant: Tenant, values: Mapping[str, Any]) -> Wanted:
    """Validated input -> what should be in the context; ValidationError if weights leave nothing to rank by."""
    searched = {name: value for name, value in values.items() if name != "conversation_id"}
    flat = as_filters(searched, metadata=values.get("metadata"))
    return Wanted(
        max_tokens=values["max_tokens"],
        recent=values["recent"],
        top_k=values["top_k"],
        condition=all_of([*flat.parts(), *values.get("filters", [])]),
        mode=values.get("mode", ""),
        weights=as_weights(tenant, values.get("weights", {})),
        as_of=values.get("as_of"),
        tables=tables(include_archived=values["include_archived"]),
    )


def as_wanted_beside(tenant: Tenant, values: Mapping[str, Any]) -> Wanted | None:
    """The same of a message to store; None if no context is asked for.

    What is searched for is the message's user's unless the options say otherwise: a bot serves many people, and what
    one of them said must not come up with another because a field was forgotten.
    """
    if not values.get("return_context"):
        return None
    try:
        return as_wanted(tenant, {"user_id": values.get("user_id"), **values["context"]})
    except serializers.ValidationError as error:
        raise serializers.ValidationError({"context": error.detail}) from error


def as_context(context: Context, *, explain: bool, placed: bool) -> dict[str, Any]:
    """A context -> the body that ContextOut describes, ready for JSON. `placed`: with where each message is."""
    block, answer = context.block, context.answer
    body = {
        "messages": [
            _as_memory(context, number, explain=explain, placed=placed)
            for number in range(len(block.memories))
        ],
        "text": block.text,
        "tokens": block.tokens,
        "max_tokens": context.max_tokens,
        "token_count_exact": context.token_count_exact,
        "left_out": {"count": len(block.left_out), "ids": list(block.left_out)},
        "degraded": answer.degraded,
        "degraded_reason": answer.degraded_reason or None,
    }
    return body | ({"explain": as_explained(answer)} if explain else {})


def _as_memory(context: Context, place: int, *, explain: bool, placed: bool) -> dict[str, Any]:
    memory = context.block.memories[place]
    message, found = context.messages[memory.id], context.found.get(memory.id)
    body = as_message(message) | {
        "content": memory.content,
        "number": place + 1,
        "source": memory.source,
        "score": found.hit.score if found else None,
        "duplicates": list(found.hit.duplicates) if found else [],
        "truncated": memory.shortened,
    }
    if placed:
        body |= as_placed(message)
    return body | ({"explain": as_terms(found, context.answer.weights)} if found and explain else {})
