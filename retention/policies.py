"""decide(): what the policies say of one message, and why. Pure: no Django, and the time comes in as `now`.

Precedence: a legal hold, then a pin, then the first policy that fits, in the order given. `selection` says the same in
SQL for a million rows at once; a test holds the two together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

KEEP, ARCHIVE, DELETE = "keep", "archive", "delete"
HELD, PINNED, NOTHING_FITS = "legal hold", "pinned", "no policy fits"


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A rule as it was when a run started: scope (empty: everything), rules (None: not asked), action.

    `id` 0: the installation's default. Days are of 24 hours and may be fractions.
    """

    id: int
    name: str
    conversation_prefix: str = ""
    role: str = ""
    user_id: str = ""
    agent_id: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    older_than_days: float | None = None
    importance_below: float | None = None
    not_recalled_for_days: float | None = None
    keep_newest: int | None = None
    action: str = ARCHIVE
    delete_archived_after_days: float | None = None

    @property
    def reason(self) -> str:
        """Its rules in words."""
        rules = [
            (self.older_than_days, "older than {:g} days"),
            (self.importance_below, "importance below {:g}"),
            (self.not_recalled_for_days, "not recalled for {:g} days"),
            (self.keep_newest, "beyond the newest {:d} of its conversation"),
        ]
        return " and ".join(words.format(value) for value, words in rules if value is not None) or "in scope"

    @property
    def reason_in_archive(self) -> str:
        """Why it deletes archived messages."""
        return f"more than {self.delete_archived_after_days:g} days in the archive"

    def snapshot(self) -> dict[str, Any]:
        """As JSON; `Policy(**snapshot)` is the same policy."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What policies look at. `newer`: how many of its conversation are newer; `archived_at`: None in the memory."""

    conversation_id: str
    role: str
    user_id: str
    agent_id: str
    metadata: Mapping[str, Any]
    importance: float
    pinned: bool
    created_at: datetime
    stored_at: datetime
    last_recalled_at: datetime | None = None
    newer: int = 0
    held: bool = False
    archived_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What becomes of a message, by which policy (None: by none), and why."""

    action: str
    reason: str
    policy: Policy | None = None


def decide(facts: Facts, policies: Sequence[Policy], now: datetime) -> Decision:
    """What is done with the message: in the memory by its policy's action, in the archive by its time there."""
    if facts.held:
        return Decision(action=KEEP, reason=HELD)
    if facts.pinned:
        return Decision(action=KEEP, reason=PINNED)
    return (
        _in_memory(facts, policies, now) if facts.archived_at is None else _in_archive(facts, policies, now)
    )


def cutoff(now: datetime, days: float) -> datetime:
    """The moment so many days before; the beginning of time where there is none so early."""
    try:
        return now - timedelta(days=days)
    except OverflowError:
        return datetime.min.replace(tzinfo=now.tzinfo)


def in_scope(facts: Facts, policy: Policy) -> bool:
    """Whether the policy is about this message."""
    return (
        facts.conversation_id.startswith(policy.conversation_prefix)
        and policy.role in ("", facts.role)
        and policy.user_id in ("", facts.user_id)
        and policy.agent_id in ("", facts.agent_id)
        and contains(facts.metadata, policy.metadata)
    )


def meets_rules(facts: Facts, policy: Policy, now: datetime) -> bool:
    """Whether all of its rules hold."""
    recalled_at = facts.last_recalled_at or facts.stored_at
    return (
        (policy.older_than_days is None or facts.created_at <= cutoff(now, policy.older_than_days))
        and (policy.importance_below is None or facts.importance < policy.importance_below)
        and (policy.not_recalled_for_days is None or recalled_at <= cutoff(now, policy.not_recalled_for_days))
        and (policy.keep_newest is None or facts.newer >= policy.keep_newest)
    )


def contains(whole: Any, part: Any) -> bool:
    """JSON containment as PostgreSQL's @> has it between objects."""
    if isinstance(part, Mapping):
        return isinstance(whole, Mapping) and all(
            key in whole and contains(whole[key], value) for key, value in part.items()
        )
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(contains(each, one) for each in whole) for one in part)
    # In JSON true is not 1, as it is in Python.
    return isinstance(whole, bool) == isinstance(part, bool) and bool(whole == part)


def _in_memory(facts: Facts, policies: Sequence[Policy], now: datetime) -> Decision:
    for policy in policies:
        if in_scope(facts, policy) and meets_rules(facts, policy, now):
            return Decision(action=policy.action, reason=policy.reason, policy=policy)
    return Decision(action=KEEP, reason=NOTHING_FITS)


def _in_archive(facts: Facts, policies: Sequence[Policy], now: datetime) -> Decision:
    for policy in policies:
        if policy.delete_archived_after_days is not None and in_scope(facts, policy):
            if facts.archived_at is not None and facts.archived_at <= cutoff(
                now, policy.delete_archived_after_days
            ):
                return Decision(action=DELETE, reason=policy.reason_in_archive, policy=policy)
            return Decision(action=KEEP, reason="not so long in the archive yet", policy=policy)
    return Decision(action=KEEP, reason=NOTHING_FITS)
