"""docs/security.md says what is so: its examples are answered, its limits and commands are those of the code."""

import json
import re
from pathlib import Path

from django.conf import settings
from django.core.management import get_commands

from memory_layer.env_checks import HOPS_MAX
from memory_layer.groups import GROUPS
from memory_layer.log_ins import IPV6_PREFIX
from tenants import remembered
from tenants.audit_actions import ActorKind, AuditAction
from tenants.lifecycle import OVERLAP, OVERLAP_MAX
from tenants.models import NETWORKS_MAX, KeyState, Scope

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"-X (\w+) localhost:8000(\S+)[^{]+'({.+?})'\n", re.DOTALL)


def test_its_examples_are_answered(operator, acme):
    examples = EXAMPLE.findall(PAGE)
    assert [method for method, _, _ in examples] == ["POST", "PATCH"]
    for method, path, body in examples:
        answer = operator._send(method, path, body)
        assert answer.status_code in (200, 201), answer.content
        assert json.loads(body).items() <= answer.json().items()


def test_its_limits_are_those_of_the_code():
    for text in (
        f"`overlap_seconds` 0 to {OVERLAP_MAX.total_seconds():,.0f}, default {OVERLAP.total_seconds():,.0f}",
        f"IPv4 and IPv6, up to {NETWORKS_MAX};",
        f"a number, 1 to {HOPS_MAX} ",
        f"after {remembered.SECONDS:.0f} s in all others",
        ", ".join(f"`{scope}`" for scope in Scope.values),
        ", ".join(f"`{state}`" for state in KeyState.values),
    ):
        assert text in PAGE


def test_its_commands_and_calls_exist(operator):
    table = PAGE.partition("## From the shell")[2].partition("\n\nIn the")[0]
    commands = set(re.findall(r"`([a-z]+_[a-z]+)[ `]", table))
    assert commands == {name for name, app in get_commands().items() if app == "tenants"} - {"ensure_admin"}
    documented = operator.get("/openapi.json").json()["paths"]
    calls = {
        (path.replace("{tenant_id}", "{name}"), method.lower())
        for method, path in re.findall(r"^\| `([A-Z]+) (/v1/\S+)`", PAGE, re.MULTILINE)
    }
    assert calls == {
        (path, method)
        for path, item in documented.items()
        if path.startswith(("/v1/admin/tenants", "/v1/admin/keys"))
        for method in item
        if method in ("get", "post", "patch", "delete")
    }


def test_it_lists_every_action_and_kind_of_actor():
    text = " ".join(PAGE.partition("The actions: ")[2].partition(".\n\n")[0].split())
    assert text == ", ".join(f"`{action}`" for action in AuditAction.values)
    row = next(line for line in PAGE.splitlines() if line.startswith("| `actor_kind`"))
    assert all(f"`{kind}`: " in row for kind in ActorKind.values)


def test_what_it_says_of_log_ins_and_groups_is_so():
    minutes = settings.AXES_COOLOFF_TIME.total_seconds() / 60
    assert f"After {settings.AXES_FAILURE_LIMIT} failed log-ins" in PAGE
    assert f"locked out for {minutes:.0f} minutes" in PAGE
    assert f"A log-in lasts {settings.SESSION_COOKIE_AGE / 3600:.0f} hours" in PAGE
    assert f"its network of {IPV6_PREFIX} bits" in PAGE
    table = PAGE.partition("| group | may |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(GROUPS)
