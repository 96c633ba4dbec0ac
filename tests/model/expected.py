"""What must be true of a tenant, as plain dictionaries: no database, and of the product only the rule of policies."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from retention.policies import ARCHIVE, DELETE, Facts, Policy, decide

GRACE = timedelta(days=7)
DEFAULT = [
    Policy(id=0, name="default", older_than_days=90, importance_below=0.3, delete_archived_after_days=365)
]
SUBJECTS = {"user": "user_id", "conversation": "conversation_id"}
# What a repeated external_id must say again.
TEXTS = ("conversation_id", "role", "name", "user_id", "content")
Draft = Mapping[str, Any]


@dataclass(kw_only=True)
class Said:
    """A message, wherever it is."""

    id: str
    conversation_id: str
    role: str
    content: str
    importance: float
    created_at: datetime
    name: str = ""
    user_id: str = ""
    external_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    explicit: bool = False
    pinned: bool = False
    archived_at: datetime | None = None
    archived_by: str | None = None
    deleted_at: datetime | None = None
    deleted_by: str | None = None

    @property
    def place(self) -> tuple[datetime, str]:
        """Where it stands in its conversation and in lists."""
        return self.created_at, self.id

    def says(self, draft: Draft) -> bool:
        """Whether the draft is this message once more."""
        return all(getattr(self, name) == draft.get(name, "") for name in TEXTS)


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What a run is going to do with a message."""

    step: str
    newer: int = 0


@dataclass(kw_only=True)
class Run:
    """A retention run under way: its clock, its policies, what is left of its plan and what it has done."""

    id: str
    now: datetime
    policies: list[Policy]
    acting: set[str]
    plan: dict[str, Planned]
    done: Counter[str] = field(default_factory=Counter)


class Refused(Exception):
    """The call must be answered with this status, and nothing may change."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Memory:
    """All of a tenant. Methods that change it do what the product must do."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.live: dict[str, Said] = {}
        self.archive: dict[str, Said] = {}
        self.holds: dict[tuple[str, str], int] = {}
        self.erased: set[tuple[str, str]] = set()
        self.answers: dict[str, tuple[str, list[dict[str, Any]]]] = {}
        self.quota: int | None = None
        self.suspended = False
        self.policies: list[Policy] = []
        self.runs: list[str] = []
        self.running: Run | None = None

    def everything(self) -> dict[str, Said]:
        """The memory and the archive, what is marked as deleted included."""
        return {**self.archive, **self.live}

    def seen(self, *, archived: bool) -> dict[str, Said]:
        """What reads may show."""
        kept = {key: said for key, said in self.archive.items() if said.deleted_at is None}
        return {**kept, **self.live} if archived else dict(self.live)

    def passing(self, filters: Mapping[str, Any], *, archived: bool) -> list[Said]:
        """What passes the filters, newest first."""
        found = [
            said
            for said in self.seen(archived=archived).values()
            if all(getattr(said, name) == value for name, value in filters.items())
        ]
        return sorted(found, key=lambda said: said.place, reverse=True)

    # storing

    def holders(self, external_id: str | None) -> list[Said]:
        """Who goes by that name: the one in the memory, else those in the archive."""
        named = [said for said in self.seen(archived=True).values() if said.external_id == external_id]
        return [said for said in named if said.id in self.live] or named

    def placed(self, drafts: Sequence[Draft], base: datetime) -> list[Said | int]:
        """For each draft the message that it repeats, or the index of the draft that is stored for it.

        Raises Refused.
        """
        if any(self._is_suppressed(draft, base) for draft in drafts):
            raise Refused(409)
        places: list[Said | int] = []
        first: dict[str, int] = {}
        for index, draft in enumerate(drafts):
            name = draft.get("external_id")
            holders = self.holders(name) if name else []
            if holders and not holders[0].says(draft):
                raise Refused(409)
            if name in first and any(draft.get(text) != drafts[first[name]].get(text) for text in TEXTS):
                raise Refused(409)
            places.append(holders[0] if holders else first.get(name or "", index))
            if name:
                first.setdefault(name, index)
        new = sum(place == index for index, place in enumerate(places))
        if new and self.quota is not None and len(self.live) + new > self.quota:
            raise Refused(403)
        return places

    def _is_suppressed(self, draft: Draft, base: datetime) -> bool:
        said_before = "created_at" in draft and datetime.fromisoformat(draft["created_at"]) <= base
        return said_before and any(draft.get(SUBJECTS[kind]) == subject for kind, subject in self.erased)

    # holds and erasure

    def is_held(self, said: Said) -> bool:
        """Whether a legal hold is on it."""
        own = {("tenant", ""), ("user", said.user_id), ("conversation", said.conversation_id)}
        return bool(own & self.holds.keys())

    def refuses_erasure(self, kind: str, subject: str) -> bool:
        """A hold on the tenant, on the subject, or on somebody who has a message in common with it."""
        other = "conversation" if kind == "user" else "user"
        shared = {getattr(said, SUBJECTS[other]) for said in self.of(kind, subject)}
        return any(
            hold in {("tenant", ""), (kind, subject)} or (hold[0] == other and hold[1] in shared)
            for hold in self.holds
        )

    def of(self, kind: str, subject: str) -> list[Said]:
        """All messages of a subject."""
        return [said for said in self.everything().values() if getattr(said, SUBJECTS[kind]) == subject]

    def erase(self, kind: str, subject: str) -> int:
        """How many messages went."""
        gone = self.of(kind, subject)
        for said in gone:
            self.live.pop(said.id, None)
            self.archive.pop(said.id, None)
            if self.running:
                self.running.plan.pop(said.id, None)
        self.erased.add((kind, subject))
        if kind == "user":
            self.policies = _without(self.policies, subject)
            if self.running:
                self.running.policies = _without(self.running.policies, subject)
        return len(gone)

    # retention

    def begin(self, now: datetime, *, only: Iterable[int] | None = None) -> Run:
        """A run with its plan. `only`: the places of the policies that act."""
        policies = self.policies or DEFAULT
        acting = range(len(policies)) if only is None else only
        names = {policies[place].name for place in acting}
        plan = dict(self._plan(policies, now, names))
        return Run(id="", now=now, policies=policies, acting=names, plan=plan)

    def _plan(self, policies: list[Policy], now: datetime, names: set[str]) -> Iterator[tuple[str, Planned]]:
        for said in self.everything().values():
            newer = self._newer(said) if said.id in self.live else 0
            planned = Planned(step=self._step(said, policies, now, newer, names), newer=newer)
            if planned.step:
                yield said.id, planned

    def _newer(self, said: Said) -> int:
        return sum(
            each.conversation_id == said.conversation_id and each.place > said.place
            for each in self.live.values()
        )

    def _step(self, said: Said, policies: list[Policy], now: datetime, newer: int, names: set[str]) -> str:
        """What a run does with it; empty: nothing."""
        if said.id in self.archive and said.deleted_at is not None:
            due = said.deleted_at <= now - GRACE and not self.is_held(said)
            return "purge" if due else ""
        facts = Facts(
            **{name: getattr(said, name) for name in ("conversation_id", "role", "user_id", "metadata")},
            **{name: getattr(said, name) for name in ("importance", "pinned", "created_at")},
            agent_id="",
            stored_at=said.created_at,
            newer=newer,
            held=self.is_held(said),
            archived_at=said.archived_at if said.id in self.archive else None,
        )
        decision = decide(facts, policies, now)
        if decision.policy is None or decision.policy.name not in names:
            return ""
        if said.id in self.archive:
            return "delete_archived" if decision.action == DELETE else ""
        return {ARCHIVE: "archive", DELETE: "delete"}.get(decision.action, "")

    def work(self, run: Run, *, rows: int | None = None) -> None:
        """Do the next rows of the plan, by id, or all of it. What is not due any more is passed over."""
        for key in sorted(run.plan)[:rows]:
            planned, said = run.plan.pop(key), self.everything().get(key)
            if (
                said is None
                or self._step(said, run.policies, run.now, planned.newer, run.acting) != planned.step
            ):
                run.done["skipped"] += 1
                continue
            run.done[planned.step] += 1
            self._move(said, planned.step, run)

    def _move(self, said: Said, step: str, run: Run) -> None:
        if step == "purge":
            del self.archive[said.id]
            return
        if step in ("archive", "delete"):
            self.archive[said.id] = self.live.pop(said.id)
            said.archived_at, said.archived_by = run.now, run.id
        if step in ("delete", "delete_archived"):
            said.deleted_at, said.deleted_by = run.now, run.id

    # the way back

    def restore(self, chosen: Sequence[Said], back: set[str]) -> None:
        """Those of the chosen that are in `back` come back to the memory; see `may_come_back`."""
        for said in chosen:
            if said.id in back:
                self.live[said.id] = replace(
                    self.archive.pop(said.id),
                    archived_at=None,
                    archived_by=None,
                    deleted_at=None,
                    deleted_by=None,
                )

    def must_come_back(self, chosen: Sequence[Said]) -> tuple[set[str], list[set[str]]]:
        """Ids that must come back, and groups of which exactly one must: they have one external_id."""
        taken = {said.external_id for said in self.live.values()} - {None}
        free = [said for said in chosen if said.external_id not in taken]
        groups: dict[str | None, set[str]] = {}
        for said in free:
            groups.setdefault(said.external_id, set()).add(said.id)
        certain = groups.pop(None, set()).union(*(ids for ids in groups.values() if len(ids) == 1))
        return certain, [ids for ids in groups.values() if len(ids) > 1]


def canonical(value: Any) -> str:
    """As JSON, in which 1 is not 1.0."""
    return json.dumps(value, sort_keys=True)


def _without(policies: list[Policy], user_id: str) -> list[Policy]:
    return [
        replace(policy, user_id=f"erased:{user_id}") if policy.user_id == user_id else policy
        for policy in policies
    ]
