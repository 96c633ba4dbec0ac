"""Pages of messages for people who look around: the newest first, of one tenant or of many, a million rows or more.

Each tenant gives its own newest ones by an index, and these are merged; nothing is counted, and no page is reached by
skipping those before it. A condition that few rows meet may read many: the statement is stopped after SECONDS.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.db.models import BooleanField, Case, Exists, OuterRef, Q, QuerySet, TextField, Value, When
from psycopg.errors import QueryCanceled

from memories.filters import where_sql
from memories.models import EmbeddingJob, Message
from memories.querysets import FAILED, PENDING, READY
from tenants import cursors

SECONDS = 5

_NEWEST = """
    SELECT each.tenant_id, each.id, each.created_at FROM unnest(%s::bigint[]) AS of(tenant_id) CROSS JOIN LATERAL (
        SELECT tenant_id, id, created_at FROM memories_message
        WHERE memories_message.tenant_id = of.tenant_id {condition}
        ORDER BY created_at {order}, id {order} LIMIT %s) AS each
    ORDER BY each.created_at {order}, each.id {order} LIMIT %s
"""
# Equality each: an index that leads with the tenant, or its primary key, serves it.
_CALLED = ("conversation_id", "user_id", "external_id")


class TooSlow(Exception):
    """The statement was stopped; the message says what to do."""

    def __init__(self) -> None:
        super().__init__(
            f"This took longer than {SECONDS} seconds and was stopped: too few messages fit among too many. "
            "Choose a tenant, a conversation, a user or fewer days."
        )


@dataclass(frozen=True, kw_only=True)
class Page:
    """Keys (tenant id, message id) in order; the cursors of the pages beside it, None where there is none."""

    keys: Sequence[tuple[int, UUID]]
    older: str | None = None
    newer: str | None = None


def page(*, tenant_ids: Sequence[int], condition: Q, size: int, before: str = "", after: str = "") -> Page:
    """The newest of these tenants' messages that meet the condition; `before`, `after`: cursors of another page.

    Raises TooSlow, and ValueError for a cursor that is none.
    """
    place = _place(before, "lt") if before else _place(after, "gt") if after else Q()
    with _bounded() as cursor:
        rows = _rows(cursor, tenant_ids, condition & place, size + 1, backwards=bool(after))
    more, rows = len(rows) > size, rows[:size]
    if after:
        rows.reverse()
    if not rows:
        return Page(keys=[])
    first, last = (cursors.encode(row[2], row[1]) for row in (rows[0], rows[-1]))
    return Page(
        keys=[(row[0], row[1]) for row in rows],
        older=last if more or after else None,
        newer=first if (more and after) or before else None,
    )


def called(*, tenant_ids: Sequence[int], condition: Q, term: str, size: int) -> list[tuple[int, UUID]]:
    """Keys of messages with this id, conversation, user or external id, each the newest first. Raises TooSlow."""
    found: dict[tuple[int, UUID], None] = {}
    with _bounded() as cursor:
        for named in _named(term):
            # One after the other: of an OR PostgreSQL may read all messages, the newest first.
            for tenant_id, message_id, _ in _rows(cursor, tenant_ids, condition & named, size):
                found[tenant_id, message_id] = None
    return list(found)[:size]


def rows(keys: Sequence[tuple[int, Any]]) -> list[Message]:
    """The messages with these keys, in their order, each with `state` (pending, ready, failed) and its tenant.

    Without the index document, which nobody reads. One that went away meanwhile is left out.
    """
    tenant_ids, ids = {tenant_id for tenant_id, _ in keys}, [message_id for _, message_id in keys]
    found = with_state(Message.objects.filter(tenant_id__in=tenant_ids, id__in=ids))
    by_key = {(each.tenant_id, each.id): each for each in found.select_related("tenant").defer("document")}
    return [by_key[key] for key in keys if key in by_key]


def with_state(messages: QuerySet[Message]) -> QuerySet[Message]:
    """With `state`: how far the vector in the active space is."""
    return messages.annotate(
        state=Case(
            When(state_is(FAILED), then=Value(FAILED)),
            When(state_is(PENDING), then=Value(PENDING)),
            default=Value(READY),
            output_field=TextField(),
        )
    )


def state_is(state: str) -> Q:
    """The same as a condition."""
    jobs = EmbeddingJob.objects.filter(
        tenant_id=OuterRef("tenant_id"), message_id=OuterRef("id"), space__active=True
    )
    if state == READY:
        return Q(~Exists(jobs))
    return Q(Exists(jobs.filter(buried_at__isnull=state != FAILED), output_field=BooleanField()))


def _named(term: str) -> list[Q]:
    try:
        return [Q(id=UUID(term))]
    except ValueError:
        return [Q(**{name: term}) for name in _CALLED]


def _place(cursor: str, beyond: str) -> Q:
    created_at, message_id = cursors.decode(cursor)
    return Q(**{f"created_at__{beyond}": created_at}) | Q(
        **{"created_at": created_at, f"id__{beyond}": message_id}
    )


@contextmanager
def _bounded() -> Iterator[Any]:
    """A cursor whose statements are stopped after SECONDS each."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{SECONDS}s"])
            yield cursor
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TooSlow from error
        raise


def _rows(
    cursor: Any, tenant_ids: Sequence[int], condition: Q, limit: int, *, backwards: bool = False
) -> list[tuple[int, UUID, datetime]]:
    where, params = where_sql(condition)
    order = "ASC" if backwards else "DESC"
    sql = _NEWEST.format(condition=f"AND {where}" if where else "", order=order)
    cursor.execute(sql, [list(tenant_ids), *params, limit, limit])
    return list(cursor.fetchall())
