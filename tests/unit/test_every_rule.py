"""A rule of retention is in all places that must know it: whoever adds one is told which are left."""

import pytest

from retention import selection
from retention.admin.policies import RetentionPolicyAdmin
from retention.models import RULES, RetentionPolicy
from retention.policies import Policy
from retention.policy_serializers import PolicyOut, PolicyPatch
from retention.shadows import shadowed
from tests.integration.test_selection import NOW, POLICY


def policy(number: int, **rules) -> Policy:
    return Policy(id=number, name=f"p{number}", **rules)


def test_the_model_lists_those_that_policies_have():
    others = {"id", "name", "action", "delete_archived_after_days"}
    scope = {"conversation_prefix", "role", "user_id", "agent_id", "metadata"}
    assert set(Policy.__dataclass_fields__) - others - scope == set(RULES)


@pytest.mark.parametrize("rule", RULES)
def test_the_api_takes_and_shows_it(rule):
    assert {rule} <= set(PolicyPatch().fields) & set(PolicyOut().fields)


def test_the_admin_shows_them():
    [fields] = [options["fields"] for title, options in RetentionPolicyAdmin.fieldsets if title == "Rules"]
    assert fields == list(RULES)


@pytest.mark.parametrize("rule", RULES)
def test_one_is_enough_for_a_policy(rule):
    [constraint] = [each for each in RetentionPolicy._meta.constraints if each.name == "policy_has_a_rule"]
    assert (f"{rule}__isnull", False) in constraint.condition.children


@pytest.mark.parametrize("rule", RULES)
def test_its_reason_names_it(rule):
    assert "7" in policy(1, **{rule: 7}).reason


@pytest.mark.parametrize("rule", RULES)
def test_it_is_selected_by(rule):
    assert len(selection._rules(policy(1, **{rule: 1}), NOW)) == 1
    assert rule in str(POLICY), "test_selection compares the SQL with the pure rule"


@pytest.mark.parametrize("rule", RULES)
def test_a_policy_with_it_hides_none_without(rule):
    assert shadowed([policy(1, **{rule: 1}), policy(2, action="delete")]) == {}
