"""build(): what a bot should know before it answers, as one block of text inside a budget of tokens.

The newest turns of a conversation, and what the tenant's memory has for the query with the turns beside it; how the
budget is divided and the text is written: `prompt_block`.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db.models import Q

from memories import metrics, neighbourhood, search
from memories.embeddings.batches import cut
from memories.filters import NO_CONDITION, where_sql
from memories.prompt_block import NEIGHBOUR, RECENT, RELEVANT, Block, Memory, Relevant, fill
from memories.query import MAX_BYTES
from memories.ranking import Weights
from memories.search import Answer, Found
from memories.tables import LIVE, Tables
from memories.tokens import token_counter
from memories.whole_messages import WholeMessage
from tenants import isolation
from tenants.models import Tenant

log = structlog.get_logger(__name__)

MAX_TOKENS, RECENT_TURNS, TOP_K = 2000, 10, 20


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What should be in a context. `as_of`: nothing said later; the rest, where a search has it, as there."""

    max_tokens: int = MAX_TOKENS
    recent: int = RECENT_TURNS
    top_k: int = TOP_K
    condition: Q = NO_CONDITION
    mode: str = ""
    weights: Weights | None = None
    as_of: datetime | None = None
    tables: Tables = LIVE


@dataclass(frozen=True, kw_only=True)
class Context:
    """The block; by id, its messages and what the search says of the relevant ones; and the search's whole answer."""

    block: Block
    max_tokens: int
    token_count_exact: bool
    messages: dict[str, WholeMessage]
    found: dict[str, Found]
    answer: Answer

    @property
    def ids(self) -> list[str]:
        """Of the messages in the block."""
        return [memory.id for memory in self.block.memories]


@isolation.together()
def build(
    *, tenant: Tenant, text: str, conversation_id: str = "", wanted: Wanted, present: Collection[str] = ()
) -> Context:
    """The context for a query in a conversation; "": in none, so without newest turns.

    The condition is for what is searched for and the turns beside it, not for the conversation's own newest turns: it
    was named. `present`: ids of messages that the caller has anyway; they are not in the block.
    """
    said_by_then = NO_CONDITION if wanted.as_of is None else Q(created_at__lte=wanted.as_of)
    newest = _newest(tenant, conversation_id, said_by_then, wanted, present)
    known = {*newest, *present}
    answer = search.search(
        tenant=tenant,
        text=text,
        top_k=wanted.top_k + len(known),
        mode=wanted.mode,
        condition=wanted.condition,
        weights=wanted.weights,
        as_of=wanted.as_of,
        tables=wanted.tables,
    )
    places = _places(answer.found, known)[: wanted.top_k]
    beside = neighbourhood.beside(
        tenant.id,
        [place for place, _ in places],
        filters=where_sql(wanted.condition & said_by_then),
        tables=wanted.tables,
    )
    hits = {found.message.id: found for place, found in places if place == found.message.id}
    neighbours = {each for ids in beside.values() for each in ids} - known - hits.keys()
    rows = wanted.tables.whole(tenant.id, [*newest, *neighbours])
    isolation.let_go()
    tokens = token_counter()
    block = fill(
        recent=_memories(newest, rows, RECENT),
        relevant=[
            Relevant(
                memory=_memory(hits[place].message, RELEVANT) if place in hits else None,
                neighbours=_memories([each for each in beside[place] if each in neighbours], rows, NEIGHBOUR),
            )
            for place, _ in places
        ],
        conversation_id=conversation_id,
        max_tokens=wanted.max_tokens,
        tokens=tokens,
    )
    return Context(
        block=block,
        max_tokens=wanted.max_tokens,
        token_count_exact=tokens.exact,
        messages=rows | {key: found.message for key, found in hits.items()},
        found=hits,
        answer=answer,
    )


def build_beside(
    *, tenant: Tenant, message_id: str, content: str, conversation_id: str, wanted: Wanted
) -> Context | None:
    """The context for replying to a stored message, without the message itself; None if it could not be built.

    The message is committed, so whatever goes wrong here must not make its sender believe that it is not.
    """
    try:
        return build(
            tenant=tenant,
            text=cut(content, MAX_BYTES),
            conversation_id=conversation_id,
            wanted=wanted,
            present={message_id},
        )
    except Exception as error:
        metrics.CONTEXTS_LOST.inc()
        log.error("context_lost", message=message_id, error=type(error).__name__)
        return None


def _newest(
    tenant: Tenant, conversation_id: str, condition: Q, wanted: Wanted, present: Collection[str]
) -> list[str]:
    """Ids of the conversation's newest turns, newest first."""
    if not conversation_id or not wanted.recent:
        return []
    filters = where_sql(condition & Q(conversation_id=conversation_id))
    rows = wanted.tables.newest(tenant.id, filters, limit=wanted.recent + len(present))
    return [str(each) for each, _ in rows if str(each) not in present][: wanted.recent]


def _places(found: Iterable[Found], known: Collection[str]) -> list[tuple[str, Found]]:
    """Where each hit's text was said, outside of what is known: itself, or an older message with the same text.

    A question asked once more is its own best hit; what was answered the first time stands beside the older one.
    """
    places = []
    for each in found:
        ids = [each.message.id, *each.hit.duplicates]
        if place := next((each for each in ids if each not in known), None):
            places.append((place, each))
    return places


def _memories(ids: Iterable[str], rows: dict[str, WholeMessage], source: str) -> Sequence[Memory]:
    """One deleted in the meantime is left out."""
    return [_memory(rows[each], source) for each in ids if each in rows]


def _memory(message: WholeMessage, source: str) -> Memory:
    return Memory(
        id=message.id,
        conversation_id=message.conversation_id,
        role=message.role,
        name=message.name,
        content=message.content,
        created_at=message.created_at,
        source=source,
    )
