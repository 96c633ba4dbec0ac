"""preview(): what a run would do at this clock, row by row the same, and why(): what it would do to one message.

Both only read; that somebody has looked is all that is noted. A preview walks the statement that a run's plan is made
by, so on the same data and clock they agree.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from psycopg.errors import QueryCanceled

from memories.models import ArchivedMessage, Message, MessageRecall
from retention import selection
from retention.effective import note_recalls, policies_of
from retention.models import RetentionPolicy
from retention.policies import HELD, KEEP, PINNED, Decision, Facts, Policy, decide
from retention.selection import Due, Step
from tenants.models import Tenant

EXAMPLES = 3
EXCERPT = 120


class TooSlow(Exception):
    """The database needed longer than it was given."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """One row of a group."""

    id: UUID
    conversation_id: str
    created_at: datetime
    importance: float
    excerpt: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """Rows with which the same is done for the same reason. `action` is keep for what only a hold or a pin keeps.

    `bytes`: of texts, metadata and index documents as they are stored. A purge frees them; archiving moves them.
    """

    action: str
    policy: str
    policy_id: int | None
    reason: str
    rows: int
    oldest: datetime
    newest: datetime
    bytes: int
    examples: Sequence[Example] = ()


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a run would count. `kept`: messages that stay in the memory, for whatever reason."""

    decided_at: datetime
    kept: int
    groups: Sequence[Group] = field(default_factory=list)

    def rows(self, *actions: str) -> int:
        """Rows with which one of these is done."""
        return sum(group.rows for group in self.groups if group.action in actions)

    @property
    def archived(self) -> int:
        """As a run's count of this name, and so are the others."""
        return self.rows("archive")

    @property
    def deleted(self) -> int:
        """Those from the archive too."""
        return self.rows("delete", "delete_archived")

    @property
    def purged(self) -> int:
        """What would be gone for good."""
        return self.rows("purge")


def preview(
    *, tenant: Tenant, now: datetime | None = None, policy_ids: Sequence[int] | None = None
) -> Preview:
    """What enforce.run() would do with the same arguments."""
    policies = policies_of(tenant)
    only = frozenset(
        place for place, policy in enumerate(policies) if policy_ids is None or policy.id in policy_ids
    )
    return _preview(tenant, policies, only, now or timezone.now())


def preview_draft(*, tenant: Tenant, policies: Sequence[Policy], place: int, seconds: float) -> Preview:
    """What the policy at this place would do, among the tenant's others as effective.policies_with() has them.

    Raises TooSlow if a statement takes longer than so many seconds.
    """
    with transaction.atomic(), _statements_at_most(seconds):
        said = _preview(tenant, policies, frozenset([place]), timezone.now())
    return replace(said, groups=[group for group in said.groups if group.policy])


@contextmanager
def _statements_at_most(seconds: float) -> Iterator[None]:
    """Until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{seconds * 1000:.0f}ms"])
    try:
        yield
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TooSlow from error
        raise


def _preview(tenant: Tenant, policies: Sequence[Policy], only: frozenset[int], now: datetime) -> Preview:
    """`only`: the places of the policies that act."""
    note_recalls(policies)
    due = Due(tenant_id=tenant.id, policies=policies, now=now, only=only)
    with transaction.atomic():
        rows = _groups(due)
        messages = _count_messages(tenant)
    shown = _examples(tenant, [message_id for *_, ids in rows for message_id in ids])
    groups = [_group(row, policies, shown) for row in rows]
    _note_first_look(tenant, [policies[place].id for place in only])
    leaving = sum(group.rows for group in groups if group.action in ("archive", "delete"))
    return Preview(decided_at=now, kept=messages - leaving, groups=groups)


def _note_first_look(tenant: Tenant, policy_ids: Sequence[int]) -> None:
    """That somebody knows now what these would do: the dashboard names those that nobody has looked at."""
    unseen = RetentionPolicy.objects.filter(tenant=tenant, id__in=policy_ids, previewed_at=None)
    unseen.update(previewed_at=Now())


def why(*, tenant: Tenant, message_id: UUID, now: datetime | None = None) -> Decision:
    """What retention would do with this message, archived or not, and why. Raises Message.DoesNotExist."""
    message: Message | ArchivedMessage | None = Message.objects.filter(tenant=tenant, id=message_id).first()
    if message is None:
        message = ArchivedMessage.objects.filter(tenant=tenant, id=message_id, deleted_at=None).first()
    if message is None:
        raise Message.DoesNotExist
    return decide(_facts(message), policies_of(tenant), now or timezone.now())


def _groups(due: Due) -> list[tuple[Any, ...]]:
    sql, params = selection.everything(due)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH due AS MATERIALIZED ({sql}), groups AS (
                SELECT step, policy, held, pinned, count(*) AS rows, min(created_at) AS oldest,
                       max(created_at) AS newest, sum(bytes)::bigint AS bytes
                FROM due GROUP BY 1, 2, 3, 4)
            SELECT g.*, ARRAY(SELECT id FROM due WHERE (due.step, due.policy, due.held, due.pinned)
                                                       = (g.step, g.policy, g.held, g.pinned) LIMIT {EXAMPLES})
            FROM groups g ORDER BY g.held OR g.pinned, step, policy
            """,  # noqa: S608 - made of constants
            params,
        )
        return list(cursor.fetchall())


def _group(row: tuple[Any, ...], policies: Sequence[Policy], shown: dict[UUID, Example]) -> Group:
    step, place, held, pinned, rows, oldest, newest, size, ids = row
    policy = None if place == selection.NO_POLICY else policies[place]
    return Group(
        action=KEEP if held or pinned else Step(step).name.lower(),
        policy=policy.name if policy else "",
        policy_id=policy.id or None if policy else None,
        reason=HELD if held else PINNED if pinned else selection.reason(Step(step), policy),
        rows=rows,
        oldest=oldest,
        newest=newest,
        bytes=size,
        examples=[shown[each] for each in ids if each in shown],
    )


def _examples(tenant: Tenant, ids: Sequence[UUID]) -> dict[UUID, Example]:
    names = ("id", "conversation_id", "created_at", "importance", "content")
    found = [
        row
        for model in (Message, ArchivedMessage)
        for row in model.objects.filter(tenant=tenant, id__in=ids).values_list(*names)
    ]
    return {
        row[0]: Example(
            id=row[0], conversation_id=row[1], created_at=row[2], importance=row[3], excerpt=row[4][:EXCERPT]
        )
        for row in found
    }


def _count_messages(tenant: Tenant) -> int:
    return Message.objects.for_tenant(tenant.id).count()


def _facts(message: Message | ArchivedMessage) -> Facts:
    newer, archived_at, recalled_at = 0, None, None
    if isinstance(message, ArchivedMessage):
        archived_at, recalled_at = message.archived_at, message.last_recalled_at
    else:
        newer = _newer(message)
        recall = MessageRecall.objects.filter(tenant_id=message.tenant_id, message_id=message.id).first()
        recalled_at = recall.last_recalled_at if recall else None
    names = ("conversation_id", "role", "user_id", "agent_id", "metadata", "importance", "pinned")
    return Facts(
        **{name: getattr(message, name) for name in names},
        created_at=message.created_at,
        stored_at=message.stored_at,
        last_recalled_at=recalled_at,
        newer=newer,
        held=selection.is_held(
            message.tenant_id, user_id=message.user_id, conversation_id=message.conversation_id
        ),
        archived_at=archived_at,
    )


def _newer(message: Message) -> int:
    mates = Message.objects.for_tenant(message.tenant_id).filter(conversation_id=message.conversation_id)
    later = mates.filter(created_at__gt=message.created_at).count()
    return later + mates.filter(created_at=message.created_at, id__gt=message.id).count()
