"""docs/monitoring.md and docs/runbooks.md name only what there is: paths, commands, settings, metrics, log lines."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.urls import resolve

from memory_layer import env
from tests.log_lines import listed_keys
from tests.metrics import catalogue

ROOT = Path(__file__).resolve().parents[2]
PAGES = [(ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("monitoring.md", "runbooks.md")]
TEXT = "\n".join(PAGES)
CODE = "\n".join(
    path.read_text(encoding="utf-8")
    for package in ("memory_layer", "memories", "retention", "tenants")
    for path in (ROOT / package).rglob("*.py")
)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"(/v1/[a-z/]+[a-z])", TEXT))))
def test_paths(path):
    assert resolve(path)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"manage\.py (\w+)", TEXT))))
def test_commands(command):
    assert command in get_commands()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\bMEMORY_[A-Z_]+[A-Z]", TEXT))))
def test_settings(name):
    assert name in env.variable_names()


def test_metrics():
    known = {metric.name for metric in catalogue()} | {name for each in catalogue() for name in each.series}
    packages = {"memory_layer", "memory_id"}
    assert not set(re.findall(r"\bmemory_\w+", TEXT)) - known - packages


def test_events():
    events = set(re.findall(r"`\"event\": \"(\w+)\"", TEXT)) | {"embedding_failed", "search_degraded"}
    assert len(events) > 4
    assert not [event for event in events if f'"{event}"' not in CODE]


def test_every_key_that_is_logged_is_listed():
    calls = re.findall(r"\blog\.(?:info|warning|error)\((.*?)\)\n", CODE, re.DOTALL)
    assert len(calls) > 20
    keys = {key for call in calls for key in re.findall(r"(?:^|[(,]\s*)(\w+)=(?!=)", call)}
    assert {"request_id", "tenant", "fault"} & keys
    assert not keys - listed_keys() - {"key", "value"}
