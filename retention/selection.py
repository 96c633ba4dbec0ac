"""Which rows are due: `policies.decide` in SQL, for all messages of a tenant at once or for some of them.

One SELECT serves preview, plan and the second look before a row moves, so they cannot disagree. A policy is known by
its place in the list; a row that no policy takes is not selected at all.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from retention.policies import ARCHIVE, KEEP, Policy, cutoff

Sql = tuple[str, list[Any]]
# In the place of a policy, for what is purged.
NO_POLICY = -1
# As they are stored, without the few bytes of the other columns and without vectors.
_BYTES = "pg_column_size(m.content) + pg_column_size(m.metadata) + pg_column_size(m.document) AS bytes"


class Step(IntEnum):
    """What is done with a row; `PlannedMove.step`."""

    ARCHIVE = 1
    DELETE = 2
    DELETE_ARCHIVED = 3
    PURGE = 4
    RESTORE = 5
    UNDELETE = 6


@dataclass(frozen=True, kw_only=True)
class Due:
    """What to look for. `only`: places of the policies that act; the others only stand before them.

    `ids`: only these messages, planned by the run `run_id`. How many of their conversation are newer is taken from the
    plan: the run itself has moved some since.
    """

    tenant_id: int
    policies: Sequence[Policy]
    now: datetime
    only: frozenset[int] | None = None
    ids: Sequence[UUID] | None = None
    run_id: UUID | None = None

    def acting(self, place: int) -> bool:
        """Whether the policy acts in this run."""
        return self.only is None or place in self.only


def reason(step: Step, policy: Policy | None) -> str:
    """Why a row goes that way."""
    if policy is not None:
        return policy.reason_in_archive if step == Step.DELETE_ARCHIVED else policy.reason
    return {Step.PURGE: "its grace period is over", Step.RESTORE: "restored to the memory"}.get(
        step, "restored to the archive"
    )


def in_memory(due: Due) -> Sql:
    """Messages that a policy archives or deletes, or would but for a hold or a pin.

    Columns: id, policy, step, held, pinned, created_at, bytes, newer (NULL where no policy asks).
    """
    fits = [_all((*_scope(policy), *_rules(policy, due.now))) for policy in due.policies]
    takes = [fit for fit, policy in zip(fits, due.policies, strict=True) if policy.action != KEEP]
    if not takes:
        return _nothing()
    case, case_params = _first_that_fits(fits)
    where, where_params = _any(takes)
    some, some_params = _some(due, "m.id")
    ranked, ranked_params = _newer(due)
    newer = "n.newer" if ranked else "NULL::bigint AS newer"
    recalled = (
        """LEFT JOIN memories_messagerecall r ON r.tenant_id = m.tenant_id AND r.message_id = m.id"""
        if any(policy.not_recalled_for_days is not None for policy in due.policies)
        else ""
    )
    steps, acting = _steps(due)
    held, held_params = _held(due.tenant_id)
    return (
        f"""SELECT id, policy, (%s::smallint[])[policy + 1] AS step, held, pinned, created_at, bytes, newer FROM (
                SELECT m.id, {case} AS policy, {held} AS held, m.pinned, m.created_at, {_BYTES}, {newer}
                FROM memories_message m {ranked} {recalled}
                WHERE m.tenant_id = %s::bigint {some} AND ({where})) AS fitting
            WHERE policy = ANY(%s::smallint[])""",
        [
            steps,
            *case_params,
            *held_params,
            *ranked_params,
            due.tenant_id,
            *some_params,
            *where_params,
            acting,
        ],
    )


def in_archive(due: Due) -> Sql:
    """The same of archived messages that have been in the archive for as long as their policy says."""
    timed = [
        (place, policy, policy.delete_archived_after_days)
        for place, policy in enumerate(due.policies)
        if policy.delete_archived_after_days is not None
    ]
    if not timed:
        return _nothing()
    branches, params = [], []
    for place, policy, days in timed:
        scope, scope_params = _all(_scope(policy))
        branches.append(f"WHEN {scope} THEN CASE WHEN m.archived_at <= %s::timestamptz THEN {place} END")
        params += [*scope_params, cutoff(due.now, days)]
    latest = max(cutoff(due.now, days) for *_, days in timed)
    some, some_params = _some(due, "m.id")
    held, held_params = _held(due.tenant_id)
    acting = [place for place, *_ in timed if due.acting(place)]
    return (
        f"""SELECT id, policy, {Step.DELETE_ARCHIVED:d}::smallint AS step, held, pinned, created_at, bytes, newer FROM (
                SELECT m.id, (CASE {" ".join(branches)} END)::smallint AS policy, {held} AS held, m.pinned,
                       m.created_at, {_BYTES}, NULL::bigint AS newer
                FROM memories_archivedmessage m
                WHERE m.tenant_id = %s::bigint AND m.deleted_at IS NULL AND m.archived_at <= %s::timestamptz {some}
            ) AS fitting WHERE policy = ANY(%s::smallint[])""",
        [*params, *held_params, due.tenant_id, latest, *some_params, acting],
    )


def to_purge(due: Due) -> Sql:
    """The same of deleted messages whose grace period is over, whatever policy they went by."""
    some, some_params = _some(due, "m.id")
    held, held_params = _held(due.tenant_id)
    return (
        f"""SELECT m.id, {NO_POLICY}::smallint AS policy, {Step.PURGE:d}::smallint AS step, {held} AS held,
                   false AS pinned, m.created_at, {_BYTES}, NULL::bigint AS newer
            FROM memories_archivedmessage m
            WHERE m.tenant_id = %s::bigint AND m.deleted_at <= %s::timestamptz {some}""",
        [*held_params, due.tenant_id, cutoff(due.now, settings.ENV.retention_grace_days), *some_params],
    )


def is_held(tenant_id: int, *, user_id: str, conversation_id: str) -> bool:
    """Whether a legal hold is on such a message."""
    held, params = _held(tenant_id)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {held} FROM (VALUES (%s::text, %s::text)) AS m(user_id, conversation_id)",
            [*params, user_id, conversation_id],
        )
        return bool(cursor.fetchone()[0])


def everything(due: Due) -> Sql:
    """All that a run touches, or would but for a hold or a pin."""
    parts = [in_memory(due), in_archive(due), to_purge(due)]
    return " UNION ALL ".join(sql for sql, _ in parts), [value for _, values in parts for value in values]


def _steps(due: Due) -> tuple[list[int], list[int]]:
    """The step of each policy, and the places of those that act."""
    steps = [Step.ARCHIVE if policy.action == ARCHIVE else Step.DELETE for policy in due.policies]
    acting = [
        place for place, policy in enumerate(due.policies) if policy.action != KEEP and due.acting(place)
    ]
    return [int(step) for step in steps], acting


def _nothing() -> Sql:
    return (
        "SELECT NULL::uuid AS id, NULL::smallint AS policy, NULL::smallint AS step, false AS held, false AS pinned, "
        "NULL::timestamptz AS created_at, 0 AS bytes, NULL::bigint AS newer WHERE false",
        [],
    )


def _scope(policy: Policy) -> list[Sql]:
    parts: list[Sql] = [
        (f"m.{name} = %s::text", [getattr(policy, name)])
        for name in ("role", "user_id", "agent_id")
        if getattr(policy, name)
    ]
    if policy.conversation_prefix:
        parts.append(("starts_with(m.conversation_id, %s::text)", [policy.conversation_prefix]))
    if policy.metadata:
        parts.append(("m.metadata @> %s::jsonb", [json.dumps(policy.metadata)]))
    return parts


def _rules(policy: Policy, now: datetime) -> list[Sql]:
    parts: list[Sql] = []
    if policy.older_than_days is not None:
        parts.append(("m.created_at <= %s::timestamptz", [cutoff(now, policy.older_than_days)]))
    if policy.importance_below is not None:
        parts.append(("m.importance < %s::float8", [policy.importance_below]))
    if policy.not_recalled_for_days is not None:
        since = cutoff(now, policy.not_recalled_for_days)
        parts.append(("coalesce(r.last_recalled_at, m.stored_at) <= %s::timestamptz", [since]))
    if policy.keep_newest is not None:
        parts.append(("n.newer >= %s::bigint", [policy.keep_newest]))
    return parts


def _newer(due: Due) -> Sql:
    """Joins how many messages of the conversation are newer; counted along the index of conversations."""
    if all(policy.keep_newest is None for policy in due.policies):
        return "", []
    if due.run_id is not None:
        return (
            """JOIN retention_plannedmove n
               ON n.tenant_id = m.tenant_id AND n.run_id = %s::uuid AND n.message_id = m.id""",
            [due.run_id],
        )
    return (
        """JOIN (SELECT id, count(*) OVER (PARTITION BY conversation_id) - row_number() OVER (
                     PARTITION BY conversation_id ORDER BY created_at, id) AS newer
                 FROM memories_message WHERE tenant_id = %s::bigint) AS n ON n.id = m.id""",
        [due.tenant_id],
    )


def _held(tenant_id: int) -> Sql:
    """Whether a legal hold is on the message. The lists are read once a statement."""
    holds = "SELECT subject FROM retention_legalhold WHERE tenant_id = %s::bigint AND released_at IS NULL AND kind ="
    return (
        f"""(EXISTS ({holds} 'tenant') OR m.user_id = ANY(ARRAY({holds} 'user'))
             OR m.conversation_id = ANY(ARRAY({holds} 'conversation')))""",
        [tenant_id] * 3,
    )


def _some(due: Due, column: str) -> Sql:
    return ("", []) if due.ids is None else (f"AND {column} = ANY(%s::uuid[])", [list(due.ids)])


def _first_that_fits(fits: Sequence[Sql]) -> Sql:
    branches = " ".join(f"WHEN {sql} THEN {place}" for place, (sql, _) in enumerate(fits))
    return f"(CASE {branches} END)::smallint", [value for _, values in fits for value in values]


def _all(parts: Sequence[Sql]) -> Sql:
    return (
        f"({' AND '.join(sql for sql, _ in parts) or 'true'})",
        [value for _, values in parts for value in values],
    )


def _any(parts: Sequence[Sql]) -> Sql:
    return f"({' OR '.join(sql for sql, _ in parts)})", [value for _, values in parts for value in values]
