"""Steps that store, edit and delete."""

import json
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.model.expected import Memory, Refused, Said, canonical
from tests.model.world import World

REFUSED = "poison"
LONG = " ".join(f"word{number}" for number in range(200))
CONTENTS = ["green tea", "black tea", "coffee", "coffee and tea", f"{REFUSED} tea", LONG]
CONVERSATIONS, USERS, ROLES = ["a", "b"], ["ann", "bob", ""], ["user", "assistant"]
METADATA: list[dict[str, Any]] = [{}, {"n": 1}, {"n": 1.0}, {"channel": "web", "tags": ["x"]}]
# Said so many days ago; -0.5: dated ahead. None: now.
AGES = [None, 0.001, 10, 100, 400, -0.5]
# What an edit writes over, so that a hold refuses it.
LOST = {"content", "metadata"}
contents = st.sampled_from(CONTENTS)
sides = st.integers(0, 1)
indexes = st.integers(0, 40)


@st.composite
def drafts(draw: st.DrawFn) -> dict[str, Any]:
    """A message as a client sends it; `age` in days becomes its created_at."""
    draft = {
        "conversation_id": draw(st.sampled_from(CONVERSATIONS)),
        "role": draw(st.sampled_from(ROLES)),
        "content": draw(contents),
        "age": draw(st.sampled_from(AGES)),
        "user_id": draw(st.sampled_from(USERS)),
        "external_id": draw(st.sampled_from([None, None, None, None, "x1", "x2"])),
        "importance": draw(st.sampled_from([None, 0.1, 0.1, 0.9])),
        "pinned": draw(st.sampled_from([False, False, False, True])),
        "metadata": draw(st.sampled_from(METADATA)),
        "name": draw(st.sampled_from(["", "", "Ann"])),
    }
    return {name: value for name, value in draft.items() if value not in (None, "")}


class Writing(RuleBasedStateMachine):
    """What clients do to messages."""

    world: World

    @initialize(first=st.tuples(*[st.lists(drafts(), min_size=4, max_size=8)] * 2))
    def begin(self, first: tuple[list[dict[str, Any]], ...]) -> None:
        """Both tenants have messages: on few, most steps have nothing to do."""
        for of, new in enumerate(first):
            for draft in new:  # one by one: a conflict of two refuses no others
                self.ingest(of, [draft], None)

    @rule(
        of=sides,
        new=st.lists(drafts(), min_size=1, max_size=4),
        key=st.sampled_from([None, None, "k1", "k2"]),
    )
    def ingest(self, of: int, new: list[dict[str, Any]], key: str | None) -> None:
        """One by POST /v1/messages, more as a batch; with or without an Idempotency-Key."""
        side, base = self.world.sides[of], self.world.base
        sent = [dated(draft, base) for draft in new]
        path, body = "/v1/messages", sent[0]
        if len(sent) > 1:
            path, body = "/v1/messages/batch", {"messages": sent}
        if several_hold(side.memory, sent):
            return
        headers = {"Idempotency-Key": key} if key else {}
        answer = side.ask("post", path, body, **headers)
        if answer is None:
            return
        said = canonical([path, body])
        if key in side.memory.answers:
            first_said, rows = side.memory.answers[key]
            assert answer.status_code == (201 if first_said == said else 422)
            if first_said == said:
                assert stored_rows(answer) == rows
                assert answer.headers["Idempotent-Replayed"] == "true"
            return
        rows = stored(side.memory, sent, base, answer)
        if key and rows:
            side.memory.answers[key] = said, rows

    @rule(
        of=sides,
        index=indexes,
        changes=st.fixed_dictionaries(
            {},
            optional={
                "content": contents,
                "importance": st.sampled_from([0.1, 0.9]),
                "pinned": st.booleans(),
                "metadata": st.sampled_from(METADATA),
            },
        ).filter(bool),
    )
    def edit(self, of: int, index: int, changes: dict[str, Any]) -> None:
        """PATCH: a message of the memory, or one that is not there (any more)."""
        side = self.world.sides[of]
        said = chosen(side.memory, index)
        if said is None or (answer := side.ask("patch", f"/v1/messages/{said.id}", changes)) is None:
            return
        if said.id not in side.memory.live:
            assert answer.status_code == 404
            return
        memory, grows = side.memory, size({**vars(said), **changes}) > size(vars(said))
        if memory.is_held(said) and any(
            canonical(getattr(said, name)) != canonical(changes[name]) for name in LOST & changes.keys()
        ):
            assert answer.status_code == 409
            return
        if grows and memory.quota is not None and len(memory.live) > memory.quota:
            assert answer.status_code == 403
            return
        assert answer.status_code == 200, answer.content
        rescored = changes.get("content", said.content) != said.content
        for name, value in changes.items():
            setattr(said, name, value)
        if "importance" in changes:
            said.explicit = True
        elif rescored and not said.explicit:
            said.importance = answer.json()["importance"]
        assert_shown(answer.json(), said)

    @rule(of=sides, index=indexes)
    def delete(self, of: int, index: int) -> None:
        """DELETE: of the memory only, and nothing that is held."""
        side = self.world.sides[of]
        said = chosen(side.memory, index)
        if said is None or (answer := side.ask("delete", f"/v1/messages/{said.id}")) is None:
            return
        if said.id in side.memory.live and side.memory.is_held(said):
            assert answer.status_code == 409
            return
        gone = side.memory.live.pop(said.id, None)
        assert answer.status_code == (204 if gone else 404)

    @rule(of=sides, index=indexes)
    def meddle(self, of: int, index: int) -> None:
        """The other tenant's administrator reads, edits, deletes and restores by id: there is no such message."""
        side = self.world.sides[of]
        said, other = chosen(side.memory, index), self.world.other(side)
        if said is None or other.memory.suspended:
            return
        path = f"/v1/messages/{said.id}"
        tries = [other.api.get(path, include_archived="true"), other.api.patch(path, {"content": "coffee"})]
        tries.append(other.api.delete(path))
        assert [answer.status_code for answer in tries] == [404] * 3
        answer = other.api.post("/v1/admin/retention/restore", {"message_ids": [said.id]})
        assert answer.status_code == 409 if other.memory.running else answer.json()["restored"] == 0


def dated(draft: dict[str, Any], base: datetime) -> dict[str, Any]:
    """With created_at for its age."""
    rest = {name: value for name, value in draft.items() if name != "age"}
    return (
        rest | {"created_at": (base - timedelta(days=draft["age"])).isoformat()} if "age" in draft else rest
    )


def stored(memory: Memory, sent: list[dict[str, Any]], base: datetime, answer: Any) -> list[dict[str, Any]]:
    """Check the answer to storing and store the same in the memory; the rows of the answer, none if it refused."""
    status, places = 201, []
    try:
        places = memory.placed(sent, base)
    except Refused as refused:
        status = refused.status
    assert answer.status_code == status, answer.content
    if status != 201:
        return []
    rows = stored_rows(answer)
    for index, (place, draft, row) in enumerate(zip(places, sent, rows, strict=True)):
        if isinstance(place, Said):
            assert row["id"] == place.id
            assert row.get("archived", False) == (place.id in memory.archive)
        elif place != index:
            assert row["id"] == rows[place]["id"]
        else:
            assert row["embedding_status"] == "pending"
            memory.live[row["id"]] = as_said(draft, row)
    return rows


def stored_rows(answer: Any) -> list[dict[str, Any]]:
    """Of one or of many."""
    body = answer.json()
    return list(body.get("messages", [body]))


def as_said(draft: dict[str, Any], row: dict[str, Any]) -> Said:
    """The message that was made of a draft; its moment and importance are the server's, where the draft has none."""
    known = {name: value for name, value in draft.items() if name not in ("created_at", "importance")}
    created_at = datetime.fromisoformat(row["created_at"])
    assert draft.get("created_at") in (None, created_at.isoformat())
    assert draft.get("importance") in (None, row["importance"])
    return Said(
        id=row["id"],
        created_at=created_at,
        importance=row["importance"],
        explicit="importance" in draft,
        **known,
    )


def several_hold(memory: Memory, sent: list[dict[str, Any]]) -> bool:
    """Whether two archived messages go by one of the names, as a restore may leave it: either may answer."""
    return any(len(memory.holders(name)) > 1 for draft in sent if (name := draft.get("external_id")))


def chosen(memory: Memory, index: int) -> Said | None:
    """One of the tenant's messages, archived and deleted ones too."""
    known = sorted(memory.everything().values(), key=lambda said: said.id)
    return known[index % len(known)] if known else None


def size(fields: Any) -> int:
    """The bytes that count for edits."""
    return len(fields["content"]) + len(json.dumps(fields["metadata"]))


def assert_shown(body: dict[str, Any], said: Said) -> None:
    """A message as the API shows it is the one that was said."""
    for name in ("id", "conversation_id", "role", "content", "importance", "pinned"):
        assert body[name] == getattr(said, name), name
    for name in ("name", "user_id", "external_id"):
        assert body[name] == (getattr(said, name) or None), name
    assert canonical(body["metadata"]) == canonical(said.metadata)
    assert datetime.fromisoformat(body["created_at"]) == said.created_at
