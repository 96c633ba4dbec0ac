"""Steps of retention, erasure, legal holds, and of the operator."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from retention import enforce
from retention.models import RetentionRun
from retention.policies import Policy
from tenants.models import Tenant
from tests.model.expected import Memory, Run, Said
from tests.model.world import Side, World
from tests.model.writing import CONVERSATIONS, chosen, indexes, sides

# As the API takes them; an empty list brings the default back.
POLICIES: list[list[dict[str, Any]]] = [
    [],
    [{"name": "newest", "keep_newest": 2, "action": "archive"}],
    [{"name": "old", "older_than_days": 50, "action": "delete"}],
    [
        {"name": "kept", "conversation_prefix": "a", "action": "keep"},
        {"name": "all", "older_than_days": 0, "action": "archive", "delete_archived_after_days": 0},
    ],
    [
        {"name": "anns", "user_id": "ann", "older_than_days": 0, "action": "delete"},
        {"name": "web", "metadata": {"channel": "web"}, "importance_below": 0.5, "keep_newest": 1},
        {"name": "old", "older_than_days": 5, "action": "delete"},
    ],
]
SUBJECTS = [("user", "ann"), ("user", "bob"), ("conversation", "a"), ("conversation", "b")]
HOLDS = [*SUBJECTS, ("tenant", "")]
COUNTED = {
    "archived": {"archive"},
    "deleted": {"delete", "delete_archived"},
    "purged": {"purge"},
    "skipped": {"skipped"},
}


class LettingGo(RuleBasedStateMachine):
    """What administrators and operators do."""

    world: World

    @rule(of=sides, which=st.integers(0, len(POLICIES) - 1))
    def govern(self, of: int, which: int) -> None:
        """Other policies, by DELETE and POST."""
        side = self.world.sides[of]
        listed = side.ask("get", "/v1/admin/policies")
        if listed is None:
            return
        for policy in listed.json()["policies"]:
            if policy["id"] is not None:
                assert side.api.delete(f"/v1/admin/policies/{policy['id']}").status_code == 204
        side.memory.policies = []
        for place, rules in enumerate(POLICIES[which]):
            answer = side.api.post("/v1/admin/policies", {**rules, "priority": place})
            assert answer.status_code == 201, answer.content
            side.memory.policies.append(Policy(id=answer.json()["id"], **rules))

    @rule(of=sides)
    def retain(self, of: int) -> None:
        """Run the policies now. A run that was interrupted is finished first."""
        side = self.world.sides[of]
        if (answer := side.ask("post", "/v1/admin/retention/run", {})) is None:
            return
        if side.memory.running:
            finish(side.memory)
        assert answer.status_code == 200, answer.content
        [row] = answer.json()["runs"]
        done = enforced(side.memory, row["run_id"], datetime.fromisoformat(row["decided_at"]))
        assert_counts(row, done)
        assert row["kept"] == len(side.memory.live)

    @rule(of=sides, days=st.sampled_from([8, 40, 400]))
    def retain_later(self, of: int, days: int) -> None:
        """As a run in so many days would; the preview for that moment says the same."""
        side, now = self.world.sides[of], self.world.base + timedelta(days=days)
        said = side.ask("post", "/v1/admin/retention/preview", {"at": now.isoformat()})
        if said is None or side.memory.running:
            return
        row = enforce.run(tenant=tenant_of(side), trigger="command", started_by="model", now=now)
        done = enforced(side.memory, str(row.id), now)
        assert_counts(vars(row), done)
        for name in ("archived", "deleted", "purged", "kept"):
            assert said.json()[name] == getattr(row, name), name

    @rule(of=sides, days=st.sampled_from([0.5, 8, 400]), narrowed=st.booleans(), rows=st.integers(1, 3))
    def interrupt(self, of: int, days: float, narrowed: bool, rows: int) -> None:
        """Begin a run, of all policies or of the last alone, and leave it after so many rows, as a kill would."""
        side, now = self.world.sides[of], self.world.base + timedelta(days=days)
        memory = side.memory
        if memory.suspended or memory.running:
            return
        only = [len(memory.policies) - 1] if narrowed and memory.policies else None
        row = enforce.begin(
            tenant=tenant_of(side),
            trigger="command",
            started_by="model",
            now=now,
            policy_ids=only and [memory.policies[only[0]].id],
        )
        run = memory.begin(now, only=only)
        run.id = str(row.id)
        memory.runs.append(run.id)
        row = enforce.work(row, chunk=rows, seconds=0)
        memory.work(run, rows=rows)
        if row.status == "running":
            memory.running = run
        else:
            assert not run.plan
            assert_counts(vars(row), run.done)

    @precondition(lambda self: any(side.memory.running for side in self.world.sides))
    @rule(of=sides)
    def go_on(self, of: int) -> None:
        """As beat does: an interrupted run is worked off, with the policies and the clock of its beginning."""
        side = self.world.sides[of]
        resumed = enforce.resume_interrupted(tenant=tenant_of(side))
        if side.memory.suspended or side.memory.running is None:
            assert resumed == []
            return
        run = finish(side.memory)
        [row] = resumed
        assert (str(row.id), row.status) == (run.id, "done")
        assert_counts(vars(row), run.done)

    @rule(of=sides, index=indexes)
    def restore_run(self, of: int, index: int) -> None:
        """Undo one of the runs: to the memory what it took from there, to the archive what it deleted there."""
        side = self.world.sides[of]
        memory = side.memory
        if not memory.runs:
            return
        run_id = memory.runs[index % len(memory.runs)]
        if (answer := side.ask("post", f"/v1/admin/retention/runs/{run_id}/restore", {})) is None:
            return
        if memory.running:
            assert answer.status_code == 409
            return
        undeleted = [
            said
            for said in memory.archive.values()
            if said.deleted_by == run_id and said.archived_by != run_id and said.deleted_at
        ]
        wanted = [said for said in memory.archive.values() if said.archived_by == run_id]
        brought_back(side, wanted, answer, others=len(undeleted))
        for said in undeleted:
            said.deleted_at = said.deleted_by = None

    @rule(of=sides, conversation=st.sampled_from([None, *CONVERSATIONS]), index=indexes)
    def restore_some(self, of: int, conversation: str | None, index: int) -> None:
        """A conversation, or one message, comes back from the archive."""
        side = self.world.sides[of]
        one = chosen(side.memory, index)
        wanted = [said for said in side.memory.archive.values() if said.conversation_id == conversation]
        body: dict[str, Any] = {"conversation_id": conversation}
        if conversation is None:
            if one is None:
                return
            body = {"message_ids": [one.id]}
            wanted = [one] if one.id in side.memory.archive else []
        if (answer := side.ask("post", "/v1/admin/retention/restore", body)) is None:
            return
        if side.memory.running:
            assert answer.status_code == 409
            return
        brought_back(side, wanted, answer)

    @rule(of=sides, subject=st.sampled_from(SUBJECTS))
    def erase(self, of: int, subject: tuple[str, str]) -> None:
        """A person or a conversation, everywhere and for good; not under a legal hold."""
        side, (kind, name) = self.world.sides[of], subject
        if (answer := side.ask("delete", f"/v1/{kind}s/{name}")) is None:
            return
        if side.memory.refuses_erasure(kind, name):
            assert answer.status_code == 409
            return
        assert answer.status_code == 200, answer.content
        body = answer.json()
        counts = [body["counts"].get(f"memories_{table}", 0) for table in ("message", "archivedmessage")]
        assert (body["verified"], sum(counts)) == (True, side.memory.erase(kind, name))

    @rule(of=sides, hold=st.sampled_from(HOLDS))
    def hold_or_release(self, of: int, hold: tuple[str, str]) -> None:
        """Place the hold, or release it if it is there."""
        side, (kind, subject) = self.world.sides[of], hold
        number = side.memory.holds.get(hold)
        body = {"kind": kind, "reason": "matter 1"} | ({"subject": subject} if subject else {})
        if (answer := side.ask("post", "/v1/admin/holds", body)) is None:
            return
        if number is None:
            assert answer.status_code == 201, answer.content
            side.memory.holds[hold] = answer.json()["id"]
            return
        assert answer.status_code == 409
        assert side.api.post(f"/v1/admin/holds/{number}/release", {}).status_code == 200
        del side.memory.holds[hold]

    @rule(of=sides, quota=st.sampled_from([None, 2, 6]))
    def limit(self, of: int, quota: int | None) -> None:
        """How many messages the tenant may store."""
        memory = self.world.sides[of].memory
        answer = self.world.operator.patch(f"/v1/admin/tenants/{memory.name}", {"message_quota": quota})
        assert answer.status_code == 200, answer.content
        memory.quota = quota

    @rule(of=sides)
    def suspend_or_resume(self, of: int) -> None:
        """The operator refuses or lets through what the tenant asks for."""
        memory = self.world.sides[of].memory
        memory.suspended = not memory.suspended
        answer = self.world.operator.patch(
            f"/v1/admin/tenants/{memory.name}", {"suspended": memory.suspended}
        )
        assert answer.json()["suspended"] == memory.suspended


def tenant_of(side: Side) -> Tenant:
    """Its row, as it is now."""
    return Tenant.objects.get(name=side.memory.name)


def enforced(memory: Memory, run_id: str, now: datetime) -> Counter[str]:
    """What a whole run does, done; its counts."""
    run = memory.begin(now)
    run.id = run_id
    memory.runs.append(run_id)
    memory.work(run)
    return run.done


def finish(memory: Memory) -> Run:
    """The rest of the run that was interrupted."""
    run, memory.running = memory.running, None
    assert run is not None
    memory.work(run)
    return run


def brought_back(side: Side, wanted: list[Said], answer: Any, *, others: int = 0) -> None:
    """Check the answer to a restore, of which `others` went elsewhere, and do the same in the memory."""
    assert answer.status_code == 200, answer.content
    certain, groups = side.memory.must_come_back(wanted)
    run = RetentionRun.objects.get(id=answer.json()["run_id"])
    back = set(certain)
    for group in groups:
        [winner] = [key for key in group if side.api.get(f"/v1/messages/{key}").status_code == 200]
        back.add(winner)
    side.memory.restore(wanted, back)
    assert run.restored == len(back) + others
    assert run.skipped == len(wanted) - len(back)


def assert_counts(row: Any, done: Counter[str]) -> None:
    """The run's own counts are what was done."""
    for name, steps in COUNTED.items():
        assert row[name] == sum(done[step] for step in steps), (name, done)
