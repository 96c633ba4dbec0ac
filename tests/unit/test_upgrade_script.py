"""deploy/upgrade.sh with a `docker` that only notes what it is asked for, and fails where a test says so."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.test_deploy import FILES, OURS, ROOT, compose

DOCKER = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in $FAILING) exit 1 ;; esac
"""
Done = tuple[int, str, list[str]]


@pytest.fixture
def upgrade(tmp_path: Path) -> Callable[..., Done]:
    """upgrade(failing="*migrate*"): exit code, what was said, and docker's calls behind the compose file's name."""
    docker, calls = tmp_path / "docker", tmp_path / "calls"
    docker.write_text(DOCKER)
    docker.chmod(0o755)

    def run(failing: str = "") -> Done:
        environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(calls), "FAILING": failing}
        done = subprocess.run(
            [ROOT / "deploy/upgrade.sh"], env=environ, cwd="/", capture_output=True, text=True, check=False
        )
        said = calls.read_text().splitlines()
        beginning = "compose --file docker-compose.prod.yml "
        assert all(line.startswith(beginning) for line in said)
        return done.returncode, done.stderr, [line.removeprefix(beginning) for line in said]

    return run


def replaced(calls: list[str]) -> list[str]:
    return [call.split()[-1] for call in calls if call.startswith("up ")]


def test_every_service_of_ours_is_replaced_after_the_migration(upgrade):
    code, said, calls = upgrade()
    assert (code, said) == (0, "")
    assert calls[:2] == ["build", "run --rm migrate"]
    assert sorted(replaced(calls)) == sorted(OURS & set(compose(FILES[1])["services"]) - {"migrate"})


def test_each_web_is_drained_before_it_is_made_anew(upgrade):
    """Anew even if nothing has changed: Compose would keep the container, and with it the mark to drain."""
    _, _, calls = upgrade()
    for web in ("web-a", "web-b"):
        drain = calls.index(f"exec --no-TTY {web} python -m memory_layer.drain")
        assert calls[drain + 1].split()[0] == "up"
        assert {"--force-recreate", "--wait", web} <= set(calls[drain + 1].split())


def test_a_web_that_is_down_is_said_and_replaced_all_the_same(upgrade):
    code, said, calls = upgrade(failing="*exec*web-a*")
    assert code == 0
    assert said.startswith("web-a could not be told to drain")
    assert replaced(calls) == ["web-a", "web-b", "worker", "beat"]


@pytest.mark.parametrize("step", ["build", "migrate"])
def test_what_cannot_be_built_or_migrated_replaces_nothing(upgrade, step):
    code, _, calls = upgrade(failing=f"*{step}*")
    assert code != 0
    assert replaced(calls) == []


def test_a_web_that_does_not_come_back_keeps_the_other(upgrade):
    code, _, calls = upgrade(failing="*up*web-a*")
    assert code != 0
    assert replaced(calls) == ["web-a"]
