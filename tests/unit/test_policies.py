"""What the policies say of one message: precedence, scope, rules, and the reason in words."""

from datetime import UTC, datetime, timedelta

import pytest

from retention.policies import (
    ARCHIVE,
    DELETE,
    HELD,
    KEEP,
    NOTHING_FITS,
    PINNED,
    Facts,
    Policy,
    contains,
    cutoff,
    decide,
)

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
OLD = Policy(id=1, name="old", older_than_days=90)


def facts(**changes):
    known = {
        "conversation_id": "conv-1",
        "role": "user",
        "user_id": "u-1",
        "agent_id": "",
        "metadata": {},
        "importance": 0.5,
        "pinned": False,
        "created_at": NOW - timedelta(days=100),
        "stored_at": NOW - timedelta(days=100),
    }
    return Facts(**{**known, **changes})


def test_it_works():
    decision = decide(facts(), [OLD], NOW)
    assert (decision.action, decision.reason, decision.policy) == (ARCHIVE, "older than 90 days", OLD)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"held": True, "pinned": True}, HELD), ({"pinned": True}, PINNED), ({"created_at": NOW}, NOTHING_FITS)],
)
def test_hold_then_pin_then_no_policy_keep(changes, reason):
    decision = decide(facts(**changes), [OLD], NOW)
    assert (decision.action, decision.reason) == (KEEP, reason)


def test_the_first_policy_that_fits_governs():
    keep = Policy(id=2, name="vip", user_id="u-1", action=KEEP)
    delete = Policy(id=3, name="all", older_than_days=1, action=DELETE)
    assert decide(facts(), [keep, delete], NOW).policy == keep
    assert decide(facts(user_id="u-2"), [keep, delete], NOW).action == DELETE


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        ({"older_than_days": 100}, True),  # created 100 days ago: exactly so old
        ({"older_than_days": 100.001}, False),
        ({"importance_below": 0.5}, False),  # 0.5 < 0.5
        ({"importance_below": 0.51}, True),
        ({"not_recalled_for_days": 100}, True),  # never recalled: since it was stored
        ({"not_recalled_for_days": 101}, False),
        ({"keep_newest": 3}, True),  # 3 are newer: it is the fourth
        ({"keep_newest": 4}, False),
        ({"older_than_days": 1, "importance_below": 0.1}, False),  # all rules must hold
        ({"older_than_days": 1_000_000_000}, False),  # before the beginning of time
    ],
)
def test_each_rule(rule, fits):
    decision = decide(facts(newer=3), [Policy(id=1, name="p", **rule)], NOW)
    assert (decision.action == ARCHIVE) == fits


def test_a_recall_counts_from_its_own_time():
    rule = Policy(id=1, name="p", not_recalled_for_days=10)
    assert decide(facts(last_recalled_at=NOW - timedelta(days=9)), [rule], NOW).action == KEEP
    assert decide(facts(last_recalled_at=NOW - timedelta(days=10)), [rule], NOW).action == ARCHIVE


@pytest.mark.parametrize(
    ("scope", "fits"),
    [
        ({"conversation_prefix": "conv-"}, True),
        ({"conversation_prefix": "onv"}, False),
        ({"role": "user"}, True),
        ({"role": "tool"}, False),
        ({"user_id": "u-2"}, False),
        ({"agent_id": "a"}, False),
        ({"metadata": {"a": {"b": 1}}}, True),
        ({"metadata": {"a": {"b": 2}}}, False),
    ],
)
def test_each_scope(scope, fits):
    decision = decide(
        facts(metadata={"a": {"b": 1, "c": 2}}), [Policy(id=1, name="p", older_than_days=0, **scope)], NOW
    )
    assert (decision.action == ARCHIVE) == fits


def test_archived_ones_go_by_their_time_in_the_archive():
    policies = [
        Policy(id=1, name="short", user_id="u-1", older_than_days=1, delete_archived_after_days=10),
        Policy(id=2, name="long", older_than_days=1, delete_archived_after_days=365),
    ]
    archived = facts(archived_at=NOW - timedelta(days=10), created_at=NOW)
    decision = decide(archived, policies, NOW)
    assert (decision.action, decision.reason) == (DELETE, "more than 10 days in the archive")
    assert decide(facts(archived_at=NOW - timedelta(days=9)), policies, NOW).action == KEEP
    assert decide(facts(archived_at=NOW - timedelta(days=100), user_id="u-2"), policies, NOW).action == KEEP
    assert decide(archived, [OLD], NOW).reason == NOTHING_FITS


def test_the_reason_names_all_rules():
    policy = Policy(
        id=1, name="p", older_than_days=0.5, importance_below=0.3, not_recalled_for_days=7, keep_newest=100
    )
    assert policy.reason == (
        "older than 0.5 days and importance below 0.3 and not recalled for 7 days and "
        "beyond the newest 100 of its conversation"
    )
    assert Policy(id=1, name="p", action=KEEP).reason == "in scope"


def test_a_snapshot_is_the_same_policy():
    policy = Policy(id=1, name="p", metadata={"a": [1]}, keep_newest=2)
    assert Policy(**policy.snapshot()) == policy


@pytest.mark.parametrize(
    ("whole", "part", "expected"),
    [
        ({"a": 1}, {}, True),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": True}, {"a": 1}, False),
        ({"a": None}, {"a": None}, True),
        ({}, {"a": None}, False),
        ({"a": [1, [2, 3]]}, {"a": [[3]]}, True),
        ({"a": [1]}, {"a": 1}, False),
        ({"a": [1]}, {"a": []}, True),
        ({"a": "x"}, {"a": {"x": 1}}, False),
    ],
)
def test_json_containment(whole, part, expected):
    assert contains(whole, part) is expected


def test_days_before_the_beginning_of_time():
    assert cutoff(NOW, 1e9) == datetime.min.replace(tzinfo=UTC)
