"""deploy/prometheus and deploy/grafana ask for metrics and labels that exist; every alert has cases and a runbook."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.metrics import Described, catalogue

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS, GRAFANA = ROOT / "deploy" / "prometheus", ROOT / "deploy" / "grafana"
RULES = [
    rule
    for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
CASES = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text(encoding="utf-8"))["tests"]
RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
DASHBOARD = json.loads((GRAFANA / "dashboards" / "memory.json").read_text(encoding="utf-8"))
QUERIES = {rule["alert"]: rule["expr"] for rule in RULES} | {
    f"{panel['title']} {target['refId']}": target["expr"]
    for panel in DASHBOARD["panels"]
    for target in panel.get("targets", [])
}
PROMTOOL = shutil.which("promtool")
# Prometheus's own.
UP = Described("up", "gauge", ("job", "instance"), "")


def asked(query: str) -> Iterator[tuple[str, list[str]]]:
    """(series, labels in its selector) of a query."""
    for name, selector in re.findall(r"\b((?:memory|django)_\w+|up\b)(?:\{([^}]*)\})?", query):
        yield name, re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector or "")


def test_it_works():
    assert len(RULES) > 20
    assert len(QUERIES) > 60
    assert list(asked('sum(rate(memory_x_total{a="1",b=~"2"}[5m])) / up')) == [
        ("memory_x_total", ["a", "b"]),
        ("up", []),
    ]


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_every_metric_and_label_exists(query):
    series = {name: metric for metric in [*catalogue(), UP] for name in metric.series}
    found = list(asked(query))
    assert found
    for name, labels in found:
        assert name in series, name
        assert set(labels) <= set(series[name].labels), name
    known = {label for name, _ in found for label in series[name].labels} | {"le"}
    for grouped in re.findall(r"\b(?:by|without)\s*\(([^)]*)\)", query):
        assert {label.strip() for label in grouped.split(",")} <= known


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_fires_in_one_case_is_silent_in_another_and_has_a_runbook(rule):
    outcomes = {
        bool(case["exp_alerts"])
        for test in CASES
        for case in test["alert_rule_test"]
        if case["alertname"] == rule["alert"]
    }
    assert outcomes == {True, False}
    assert rule["labels"]["severity"] in ("info", "warning", "critical")
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert (page, anchor) == ("docs/runbooks.md", rule["alert"].lower())
    section = RUNBOOKS.split(f"\n## {rule['alert']}\n")
    assert len(section) == 2
    assert len(section[1].partition("\n## ")[0]) > 200, "a runbook that says something"


def test_there_is_no_runbook_without_an_alert():
    assert set(re.findall(r"^## (Memory\w+)$", RUNBOOKS, re.MULTILINE)) == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
        ("check", "config", "--syntax-only", "prometheus.yml"),
    ],
    ids=" ".join,
)
@pytest.mark.skipif(not PROMTOOL, reason="NO PROMTOOL: the alert rules are not tried (package prometheus)")
def test_promtool_is_content(arguments):
    done = subprocess.run([PROMTOOL, *arguments], cwd=PROMETHEUS, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_is_what_its_script_writes():
    script = GRAFANA / "dashboard.py"
    code = f"import runpy, sys; sys.stdout.write(runpy.run_path({str(script)!r})['text']())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == script.parent.joinpath("dashboards", "memory.json").read_text(encoding="utf-8")


def test_the_dashboard_shows_every_metric_of_ours():
    shown = {name for query in QUERIES.values() for name, _ in asked(query)}
    ours = [metric for metric in catalogue() if metric.name.startswith("memory_")]
    assert not [metric.name for metric in ours if not metric.series & shown]
