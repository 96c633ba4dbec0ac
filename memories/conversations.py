"""Which conversations there are: read off the index of messages, one step a conversation, however long they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from memories import statements
from tenants.models import Tenant

USERS_NAMED = 100

# A loose index scan: PostgreSQL has no skip scan for DISTINCT, so each step asks for the next greater name. The rows of
# a page are counted in the index alone.
_NEXT = """
    SELECT conversation_id FROM memories_message
    WHERE tenant_id = %(tenant)s::bigint AND conversation_id > {after} ORDER BY conversation_id LIMIT 1
"""
_ALL = f"""
    WITH RECURSIVE step AS (
        ({_NEXT.format(after="%(after)s::text")})
        UNION ALL
        SELECT ({_NEXT.format(after="step.conversation_id")}) FROM step WHERE step.conversation_id IS NOT NULL)
    SELECT conversation_id FROM step WHERE conversation_id IS NOT NULL LIMIT %(limit)s::int
"""
_OF_A_USER = """
    SELECT DISTINCT conversation_id FROM memories_message
    WHERE tenant_id = %(tenant)s::bigint AND user_id = %(user)s::text AND user_id <> ''
      AND conversation_id > %(after)s::text
    ORDER BY conversation_id LIMIT %(limit)s::int
"""
_COUNTED = """
    SELECT named.conversation_id, counted.* FROM ({names}) AS named CROSS JOIN LATERAL (
        SELECT count(*), min(created_at), max(created_at) FROM memories_message m
        WHERE m.tenant_id = %(tenant)s::bigint AND m.conversation_id = named.conversation_id) AS counted
    ORDER BY named.conversation_id
"""
_ONE = """
    WITH of_it AS MATERIALIZED (
        SELECT user_id, created_at, false AS archived FROM memories_message
        WHERE tenant_id = %(tenant)s::bigint AND conversation_id = %(conversation)s::text
        UNION ALL
        SELECT user_id, created_at, true FROM memories_archivedmessage
        WHERE tenant_id = %(tenant)s::bigint AND conversation_id = %(conversation)s::text AND deleted_at IS NULL)
    SELECT count(*) FILTER (WHERE NOT archived), count(*) FILTER (WHERE archived), min(created_at), max(created_at),
           ARRAY(SELECT DISTINCT user_id FROM of_it WHERE user_id <> '' ORDER BY user_id LIMIT %(users)s::int)
    FROM of_it
"""


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """What of it is in the memory: messages, and when the first and the last were said."""

    conversation_id: str
    messages: int
    first_message_at: datetime
    last_message_at: datetime


@dataclass(frozen=True, kw_only=True)
class WholeConversation(Conversation):
    """The same with its archive, which the times include, and up to USERS_NAMED of its users."""

    archived: int
    users: Sequence[str]
    more_users: bool


def page(*, tenant: Tenant, limit: int, after: str = "", user_id: str | None = None) -> list[Conversation]:
    """So many conversations by id, those after `after`; of a user: in which that user's messages are."""
    names = _ALL if user_id is None else _OF_A_USER
    found = statements.rows_of(
        tenant.id,
        _COUNTED.format(names=names),
        {"tenant": tenant.id, "after": after, "limit": limit}
        | ({} if user_id is None else {"user": user_id}),
    )
    return [
        Conversation(conversation_id=name, messages=count, first_message_at=first, last_message_at=last)
        for name, count, first, last in found
    ]


def one(*, tenant: Tenant, conversation_id: str) -> WholeConversation | None:
    """One conversation; None if nothing of it is in the memory or the archive."""
    given = {"tenant": tenant.id, "conversation": conversation_id, "users": USERS_NAMED + 1}
    [(messages, archived, first, last, users)] = statements.rows_of(tenant.id, _ONE, given)
    if not messages + archived:
        return None
    return WholeConversation(
        conversation_id=conversation_id,
        messages=messages,
        archived=archived,
        first_message_at=first,
        last_message_at=last,
        users=users[:USERS_NAMED],
        more_users=len(users) > USERS_NAMED,
    )
