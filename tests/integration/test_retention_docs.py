"""docs/retention.md: its examples are answered, and its limits and lists are those of the code."""

import json
import re
from pathlib import Path

import pytest

from memory_layer.celery_settings import CELERY
from memory_layer.env import Env
from retention import rules, tasks
from retention.models import RULES, Action, HoldKind
from retention.policy_serializers import DAYS_MAX
from tests.factories import TenantFactory

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "retention.md").read_text(encoding="utf-8")
POSTED = [
    (path, json.loads(body))
    for path, body in re.findall(
        r"POST '?localhost:8000(/v1/\S+)[^{\n]+(?:\\\n\s+-d )?'({.+?})'\n", PAGE, re.DOTALL
    )
]
BODIES = [(path, body) for path, body in POSTED if "/retention/" not in path]


def test_it_works():
    assert [path for path, _ in BODIES] == ["/v1/admin/policies"] * 2 + ["/v1/admin/holds"]


@pytest.mark.parametrize(("path", "body"), BODIES, ids=str)
def test_a_body_of_the_page_is_answered_and_comes_back(operator, path, body):
    TenantFactory(name="test")
    answer = operator.post(path, body)
    assert answer.status_code == 201, answer.content
    assert answer.json() | body == answer.json()
    lists = re.findall(rf"curl '?localhost:8000({path}\?[^'\s]+)", PAGE)
    assert len(lists) == 1
    [listed] = (rows for rows in operator.get(lists[0]).json().values() if isinstance(rows, list))
    assert listed == [answer.json()]


def test_what_the_page_previews_and_runs_is_done(operator):
    TenantFactory(name="test")
    asked = [(path, body) for path, body in POSTED if "/retention/" in path]
    assert [path.rpartition("/")[2] for path, _ in asked] == ["preview", "run"]
    for path, body in asked:
        assert operator.post(path, body).status_code == 200
    assert len(operator.get("/v1/admin/retention/runs", tenant_id="test").json()["runs"]) == 1


def test_the_page_names_every_rule_action_and_kind():
    for table, names in (("| rule |", RULES), ("| action |", Action.values)):
        rows = PAGE.partition(table)[2].partition("\n\n")[0]
        assert set(re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE)) == set(names)
    assert all(f"`{kind}`" in PAGE for kind in HoldKind.values)


def test_the_page_states_the_limits_and_the_defaults():
    assert f"at most {rules.POLICIES} policies" in PAGE
    assert f"0 to {DAYS_MAX:,}" in PAGE
    assert f"default `{Env.model_fields['retention_schedule'].default}`" in PAGE
    assert f"every {CELERY['beat_schedule']['run-due-retention']['schedule']} seconds" in PAGE
    assert f"works for {tasks.WORK_SECONDS:g} seconds" in PAGE
