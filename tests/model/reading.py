"""Steps that read: nothing that must be found is missing, nothing is shown that must not be."""

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.model.expected import Said
from tests.model.world import Side, World
from tests.model.writing import CONVERSATIONS, ROLES, assert_shown, chosen, indexes, sides

# More than a sequence stores: what passes the filters is in the answer.
TOP_K = 100
filters = st.fixed_dictionaries(
    {},
    optional={
        "conversation_id": st.sampled_from(CONVERSATIONS),
        "user_id": st.sampled_from(["ann", "bob"]),
        "role": st.sampled_from(ROLES),
    },
)


class Reading(RuleBasedStateMachine):
    """What clients read."""

    world: World

    @rule(
        of=sides,
        mode=st.sampled_from(["text", "vector", "hybrid"]),
        word=st.sampled_from(["tea", "coffee"]),
        where=filters,
        archived=st.booleans(),
    )
    def search(self, of: int, mode: str, word: str, where: dict[str, Any], archived: bool) -> None:
        """Asked twice: a repeated answer is the same, and never older than the last write."""
        side = self.world.sides[of]
        asked = {"query": word, "mode": mode, "top_k": TOP_K, "include_archived": archived, **where}
        answers = [side.ask("post", "/v1/memory/search", asked) for _ in range(2)]
        if answers[0] is None:
            return
        assert [answer.status_code for answer in answers] == [200, 200], answers[0].content
        body = answers[0].json()
        assert body["results"] == answers[1].json()["results"]
        assert not body["degraded"], body
        passing = {said.id: said for said in side.memory.passing(where, archived=archived)}
        hits = body["results"]
        found = [key for hit in hits for key in (hit["id"], *hit["duplicates"])]
        assert len(found) == len(set(found))
        assert set(found) <= passing.keys()
        wanted = {key for key, said in passing.items() if must_be_found(said, mode, word)}
        assert wanted <= set(found), [passing[key] for key in wanted - set(found)]
        for hit in hits:
            said = passing[hit["id"]]
            assert_found(hit, said)
            assert hit.get("archived", False) == (archived and said.id in side.memory.archive)
            assert all(same(said, passing[key]) for key in hit["duplicates"])

    @rule(of=sides, where=filters, archived=st.booleans(), limit=st.integers(1, 5))
    def list_all(self, of: int, where: dict[str, Any], archived: bool, limit: int) -> None:
        """Page by page, newest first: exactly what passes."""
        side = self.world.sides[of]
        asked = {"limit": limit, "include_archived": str(archived).lower(), **where}
        shown: list[dict[str, Any]] = []
        while True:
            answer = side.api.get("/v1/messages", **asked)
            if side.memory.suspended:
                assert answer.status_code == 403
                return
            body = answer.json()
            shown += body["messages"]
            if body["next"] is None:
                break
            asked["cursor"] = body["next"]
        expected = side.memory.passing(where, archived=archived)
        assert [each["id"] for each in shown] == [said.id for said in expected]
        for each, said in zip(shown, expected, strict=True):
            assert_shown(each, said)

    @rule(of=sides, index=indexes)
    def read(self, of: int, index: int) -> None:
        """By id, with and without the archive."""
        side = self.world.sides[of]
        said = chosen(side.memory, index)
        if said is None:
            return
        for archived in (False, True):
            answer = side.api.get(f"/v1/messages/{said.id}", include_archived=str(archived).lower())
            seen = said.id in side.memory.seen(archived=archived)
            expected = 403 if side.memory.suspended else 200 if seen else 404
            assert answer.status_code == expected
            if expected == 200:
                assert_shown(answer.json(), said)

    @rule(of=sides)
    def overview(self, of: int) -> None:
        """Conversations with their counts, one by one with their archive, and what there is of a person."""
        side = self.world.sides[of]
        if (listed := side.ask("get", "/v1/conversations")) is None:
            return
        live = list(side.memory.live.values())
        names = sorted({said.conversation_id for said in live})
        assert [(each["conversation_id"], each["messages"]) for each in listed.json()["conversations"]] == [
            (name, sum(said.conversation_id == name for said in live)) for name in names
        ]
        for name in CONVERSATIONS:
            seen = side.memory.passing({"conversation_id": name}, archived=True)
            answer = side.ask("get", f"/v1/conversations/{name}")
            assert answer.status_code == (200 if seen else 404)
            if seen:
                counts = answer.json()["messages"], answer.json()["archived"]
                here = sum(said.id in side.memory.live for said in seen)
                assert counts == (here, len(seen) - here)
        assert exported(side, "ann") == sorted(said.id for said in side.memory.of("user", "ann"))

    @rule(of=sides, conversation=st.sampled_from(CONVERSATIONS), archived=st.booleans())
    def build_context(self, of: int, conversation: str, archived: bool) -> None:
        """The newest turns of the conversation, and nothing of anybody else."""
        side = self.world.sides[of]
        asked = {"query": "tea", "conversation_id": conversation, "recent": 2, "max_tokens": 32_000}
        answer = side.ask("post", "/v1/memory/context", {**asked, "include_archived": archived})
        if answer is None:
            return
        shown = answer.json()["messages"]
        seen = side.memory.seen(archived=archived)
        assert {each["id"] for each in shown} <= seen.keys()
        turns = side.memory.passing({"conversation_id": conversation}, archived=archived)[:2]
        recent = {each["id"] for each in shown if each["source"] == "recent"}
        assert recent == {said.id for said in turns}


def must_be_found(said: Said, mode: str, word: str) -> bool:
    """By its words in any case, by whatever it says in the hybrid mode, which fills up with the newest."""
    return mode == "hybrid" or (mode == "text" and word in said.content.split())


def same(one: Said, other: Said) -> bool:
    """Whether one can stand for the other."""
    return (one.content, one.name, one.role) == (other.content, other.name, other.role)


def assert_found(hit: dict[str, Any], said: Said) -> None:
    """A hit is its message."""
    for name in ("conversation_id", "role", "content", "importance"):
        assert hit[name] == getattr(said, name), name


def exported(side: Side, user_id: str) -> list[str]:
    """Ids of the export of a user."""
    answer = side.api.get(f"/v1/users/{user_id}/export")
    lines = [json.loads(line) for line in b"".join(answer.streaming_content).decode().split("\n") if line]
    assert lines.pop() == {"exported": len(lines), "complete": True}
    return sorted(line["id"] for line in lines)
