"""Which policies can never act, against what decide() says of messages that fit them."""

from datetime import UTC, datetime, timedelta
from itertools import permutations, product

import pytest

from retention.policies import DELETE, KEEP, Facts, Policy, decide
from retention.shadows import shadowed

NOW = datetime(2026, 6, 10, tzinfo=UTC)


def policy(name: str, **fields) -> Policy:
    return Policy(id=1, name=name, **{"older_than_days": 30} | fields)


def test_it_works():
    all_old, tools = policy("all"), policy("tools", role="tool", older_than_days=60)
    assert shadowed([all_old, tools]) == {1: all_old}
    assert shadowed([tools, all_old]) == {}


@pytest.mark.parametrize(
    ("first", "second", "hidden"),
    [
        ({}, {}, True),
        ({"older_than_days": 31}, {}, False),
        ({"older_than_days": None, "importance_below": 0.5}, {"importance_below": 0.4}, True),
        ({"older_than_days": None, "importance_below": 0.5}, {"importance_below": 0.6}, False),
        ({"older_than_days": None, "importance_below": 0.5}, {}, False),
        ({"keep_newest": 10}, {"keep_newest": 20}, True),
        ({"keep_newest": 20}, {"keep_newest": 10}, False),
        ({"not_recalled_for_days": 1}, {}, False),
        ({"conversation_prefix": "chat"}, {"conversation_prefix": "chat-1"}, True),
        ({"conversation_prefix": "chat-1"}, {"conversation_prefix": "chat"}, False),
        ({"user_id": "ann"}, {"user_id": "ann", "agent_id": "bot"}, True),
        ({"user_id": "ann"}, {"user_id": "bob"}, False),
        ({"metadata": {"a": 1}}, {"metadata": {"a": 1, "b": 2}}, True),
        ({"metadata": {"a": 1, "b": 2}}, {"metadata": {"a": 1}}, False),
        ({"action": KEEP}, {"action": DELETE}, True),
        ({}, {"delete_archived_after_days": 5}, False),
        ({"delete_archived_after_days": 9}, {"delete_archived_after_days": 5}, True),
    ],
)
def test_a_policy_is_shadowed_by_a_wider_one_before_it(first, second, hidden):
    assert (1 in shadowed([policy("first", **first), policy("second", **second)])) == hidden


def facts(**fields) -> Facts:
    given = {"conversation_id": "abc", "role": "user", "user_id": "", "agent_id": "", "metadata": {}} | fields
    days = given.pop("days", 100)
    return Facts(
        importance=given.pop("importance", 0.1),
        pinned=False,
        created_at=NOW - timedelta(days=days),
        stored_at=NOW,
        **given,
    )


RULES = [
    policy("any", older_than_days=days, importance_below=importance, keep_newest=newest)
    for days, importance, newest in product([None, 1, 5], [None, 0.3, 0.6], [None, 1, 3])
]
IN_RULES = [
    facts(days=days, importance=importance, newer=newer)
    for days, importance, newer in product([0, 2, 9], [0.1, 0.4, 0.9], [0, 2, 4])
]
SCOPES = [
    policy("any", conversation_prefix=prefix, role=role, metadata=metadata)
    for prefix, role, metadata in product(
        ["", "a", "ab", "x"], ["", "user"], [{}, {"k": 1}, {"k": 1, "l": [2]}]
    )
]
IN_SCOPES = [
    facts(conversation_id=conversation, role=role, metadata=metadata)
    for conversation, role, metadata in product(
        ["abc", "axe", "x", "o"], ["user", "tool"], [{}, {"k": 1}, {"k": 1, "l": [2, 3]}]
    )
]


@pytest.mark.parametrize(
    ("policies", "messages"), [(RULES, IN_RULES), (SCOPES, IN_SCOPES)], ids=["rules", "scopes"]
)
def test_a_policy_is_shadowed_if_it_never_decides_and_only_then(policies, messages):
    for first, second in permutations(policies, 2):
        decides = any(decide(each, [first, second], NOW).policy is second for each in messages)
        assert (shadowed([first, second]) == {}) == decides, (first, second)
