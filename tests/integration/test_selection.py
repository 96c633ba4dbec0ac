"""The SQL that selects what is due says what `policies.decide` says, of every message, whatever the policies."""

from datetime import timedelta
from uuid import uuid4

from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memories.models import ArchivedMessage, Message, MessageRecall
from retention import enforce, selection
from retention.models import LegalHold, PlannedMove
from retention.policies import HELD, KEEP, PINNED, Facts, Policy, decide
from retention.selection import Due, Step
from tests.factories import remember
from tests.integration.test_archive import archive_all
from tests.integration.test_enforce import old, policy

NOW = timezone.now()
DAYS = st.sampled_from([0, 1, 2.5, 10, 100])
POLICY = st.fixed_dictionaries(
    {
        "action": st.sampled_from(["keep", "archive", "delete"]),
        "conversation_prefix": st.sampled_from(["", "", "a", "a/1"]),
        "role": st.sampled_from(["", "", "user", "tool"]),
        "user_id": st.sampled_from(["", "", "ann"]),
        "agent_id": st.sampled_from(["", "", "helper"]),
        "metadata": st.sampled_from([{}, {}, {"kind": "note"}, {"n": 1}]),
        "older_than_days": st.none() | DAYS,
        "importance_below": st.none() | st.sampled_from([0.2, 0.5, 1.0]),
        "not_recalled_for_days": st.none() | DAYS,
        "keep_newest": st.none() | st.integers(0, 3),
        "delete_archived_after_days": st.none() | DAYS,
    }
)


def make_messages(acme, globex):
    """Some of each kind, in both tables; those of another tenant fit every policy."""
    messages = []
    for n in range(24):
        messages += remember(
            acme,
            f"message {n}",
            conversation=["a/1", "a/2", "b"][n % 3],
            role=["user", "assistant", "tool"][n % 2 + n % 3 // 2],
            user_id=["ann", "bob", ""][n % 3],
            agent_id=["", "helper"][n % 2],
            metadata=[{}, {"kind": "note", "n": 1}, {"n": 2}][n % 3],
            importance=[0.1, 0.3, 0.5, 0.9][n % 4],
            pinned=n % 11 == 0,
            created_at=NOW - timedelta(days=[0, 1, 5, 50, 200][n % 5], seconds=n // 6),
        )
    for n, message in enumerate(messages):
        Message.objects.filter(id=message.id).update(stored_at=NOW - timedelta(days=n % 7))
        if n % 4 == 0:
            recalled_at = NOW - timedelta(days=n % 3)
            MessageRecall.objects.create(tenant=acme, message_id=message.id, last_recalled_at=recalled_at)
    remember(globex, "not mine", created_at=NOW - timedelta(days=900), importance=0.0)
    archive_all(acme, *messages[16:])
    for n, row in enumerate(ArchivedMessage.objects.order_by("id")):
        ArchivedMessage.objects.filter(id=row.id).update(
            archived_at=NOW - timedelta(days=[0, 2, 20, 400][n % 4])
        )


def facts(message, held):
    known = {
        name: getattr(message, name)
        for name in Facts.__dataclass_fields__
        if name not in ("newer", "held", "last_recalled_at", "archived_at")
    }
    is_held = ("tenant", "") in held or ("user", message.user_id) in held
    is_held = is_held or ("conversation", message.conversation_id) in held
    if isinstance(message, ArchivedMessage):
        return Facts(**known, held=is_held, archived_at=message.archived_at)
    mates = Message.objects.filter(tenant_id=message.tenant_id, conversation_id=message.conversation_id)
    newer = sum((mate.created_at, mate.id) > (message.created_at, message.id) for mate in mates)
    recall = MessageRecall.objects.filter(message_id=message.id).first()
    return Facts(**known, held=is_held, newer=newer, last_recalled_at=recall and recall.last_recalled_at)


def selected(due):
    """id -> (step, policy), or why it is kept."""
    sql, params = selection.everything(due)
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return {
            row[0]: HELD if row[3] else PINNED if row[4] else (Step(row[2]), row[1])
            for row in cursor.fetchall()
        }


def expected(acme, policies, held):
    """The same by the pure function. It stops at a hold or a pin; the SQL tells them only of what else were due."""
    wanted = {}
    steps = {"archive": Step.ARCHIVE, "delete": Step.DELETE}
    for model in (Message, ArchivedMessage):
        for message in model.objects.filter(tenant=acme):
            known = facts(message, held)
            free = decide(Facts(**{**vars(known), "held": False, "pinned": False}), policies, NOW)
            if free.action == KEEP:
                continue
            decision = decide(known, policies, NOW)
            archived = known.archived_at is not None
            step = Step.DELETE_ARCHIVED if archived else steps[free.action]
            wanted[message.id] = (
                decision.reason if decision.action == KEEP else (step, policies.index(free.policy))
            )
    return wanted


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rules=st.lists(POLICY, min_size=1, max_size=4),
    holds=st.sets(
        st.sampled_from([("user", "ann"), ("conversation", "b"), ("conversation", "gone"), ("tenant", "")]),
        max_size=2,
    ),
)
def test_it_agrees_with_the_pure_rule(acme, globex, rules, holds):
    if not Message.objects.exists():
        make_messages(acme, globex)
    LegalHold.objects.all().delete()
    for kind, subject in holds:
        LegalHold.objects.create(tenant=acme, kind=kind, subject=subject, reason="matter 1", placed_by="me")
    policies = [Policy(id=n, name=f"p{n}", **rule) for n, rule in enumerate(rules)]
    due = Due(tenant_id=acme.id, policies=policies, now=NOW)
    found = selected(due)
    assert found == expected(acme, policies, holds)
    # Some of them, looked at alone, are judged the same.
    some, run_id = sorted(found, key=str)[::2], uuid4()
    for each in some:
        message = Message.objects.filter(id=each).first()
        newer = facts(message, holds).newer if message else None
        PlannedMove.objects.create(tenant=acme, run_id=run_id, message_id=each, policy=0, step=1, newer=newer)
    again = Due(tenant_id=acme.id, policies=policies, now=NOW, ids=some, run_id=run_id)
    assert selected(again) == {each: found[each] for each in some}


def test_a_released_hold_holds_nothing(acme, globex):
    make_messages(acme, globex)
    LegalHold.objects.create(tenant=acme, kind="tenant", reason="x", placed_by="me", released_at=NOW)
    policies = [Policy(id=1, name="p", older_than_days=0)]
    assert HELD not in selected(Due(tenant_id=acme.id, policies=policies, now=NOW)).values()


def test_a_policy_that_does_not_act_still_stands_before_others(acme):
    [message] = remember(acme, "old", created_at=NOW - timedelta(days=10))
    first, second = (Policy(id=n, name=f"p{n}", older_than_days=1) for n in (1, 2))
    due = {"tenant_id": acme.id, "policies": [first, second], "now": NOW}
    assert selected(Due(**due, only=frozenset({0}))) == {message.id: (Step.ARCHIVE, 0)}
    assert selected(Due(**due, only=frozenset({1}))) == {}


def test_what_falls_to_a_policy_that_does_not_act_after_the_plan_is_left(acme):
    """As by an edit: the run was asked for the second policy alone."""
    policy(acme, "first", older_than_days=90, importance_below=0.05, priority=1)
    second = policy(acme, "second", older_than_days=90, priority=2)
    edited, _ = old(acme, "one", "two")
    begun = enforce.begin(tenant=acme, trigger="api", started_by="x", now=NOW, policy_ids=[second.id])
    enforce.plan(begun)
    Message.objects.filter(id=edited.id).update(importance=0.01)
    row = enforce.work(begun)
    assert (row.planned, row.archived, row.skipped) == (2, 1, 1)
