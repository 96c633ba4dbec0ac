"""The settings as a started process has them."""

import os
import subprocess
import sys
from pathlib import Path

from django.conf import settings

from memory_layer.embedded import services

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "MEMORY_ENV": "production",
    "MEMORY_SECRET_KEY": "sesame-0123456789-abcdefghijklmnopqrstuvwxyz-sesame-0123456789",
    "MEMORY_API_KEYS": "operator-key-0123456789",
    "MEMORY_ALLOWED_HOSTS": "memory.example.com",
}


def python(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, with this environment and no other MEMORY_ variable."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MEMORY_")}
    command = [sys.executable, *args]
    return subprocess.run(command, cwd=ROOT, env=kept | environ, capture_output=True, text=True, check=False)


def test_production_passes_djangos_own_deployment_checks():
    done = python("manage.py", "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)
    assert done.returncode == 0, done.stderr


def test_a_wrong_variable_stops_the_start_with_a_sentence_and_no_traceback():
    done = python("manage.py", "check", MEMORY_PORT="http")
    assert done.returncode == 1
    assert done.stderr.startswith("The environment is wrong:\n  - MEMORY_PORT: ")
    assert "Traceback" not in done.stderr


def test_the_worker_has_as_many_processes_as_a_file_says(tmp_path):
    said = tmp_path / "processes"
    said.write_text("3\n")
    asked = "from memory_layer.celery import app; print(app.conf.worker_concurrency)"
    assert python("-c", asked, MEMORY_WORKER_CONCURRENCY_FILE=str(said)).stdout == "3\n"
    assert "--concurrency" not in services.worker({}, tmp_path).command


def test_the_cache_is_one_server_whatever_its_address_holds():
    """Django splits a text at commas and semicolons, which a password may have."""
    assert settings.CACHES["default"]["LOCATION"] == [settings.ENV.redis_url]


def test_nothing_is_shown_to_strangers_when_it_breaks():
    assert settings.DEBUG is False
