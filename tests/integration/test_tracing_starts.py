"""A process with MEMORY_TRACING: it exports where the OTEL_ variables say, or does not start."""

import os
import subprocess
import sys
from pathlib import Path

from werkzeug import Response

ROOT = Path(__file__).resolve().parents[2]
ONE_REQUEST = """
import django
django.setup()
from django.test import Client
assert Client(HTTP_HOST="localhost").get("/nowhere").status_code == 404
"""
NO_PACKAGES = "import sys; sys.modules['opentelemetry'] = None"


def python(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """A process of its own, with the test's servers."""
    settings = {"DJANGO_SETTINGS_MODULE": "memory_layer.settings", "MEMORY_TRACING": "true"}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **settings, **environ}, capture_output=True, text=True
    )


def test_it_exports_to_the_standard_endpoint(httpserver):
    bodies: list[bytes] = []

    def take(request) -> Response:
        bodies.append(request.get_data())
        return Response(b"", content_type="application/x-protobuf")

    httpserver.expect_request("/v1/traces", method="POST").respond_with_handler(take)
    done = python(ONE_REQUEST, OTEL_EXPORTER_OTLP_ENDPOINT=httpserver.url_for("").rstrip("/"))
    assert done.returncode == 0, done.stderr
    sent = b"".join(bodies)
    assert b"ai-memory-layer" in sent
    assert b"GET unmatched" in sent
    assert b"nowhere" not in sent


def test_without_its_packages_it_does_not_start_and_says_what_to_install():
    done = python(f"{NO_PACKAGES}\nimport django\ndjango.setup()")
    assert done.returncode == 1
    assert done.stderr.startswith("MEMORY_TRACING is on, and OpenTelemetry is not installed")
    assert "requirements/tracing.txt" in done.stderr
    assert "Traceback" not in done.stderr


def test_off_it_starts_without_its_packages():
    done = python(NO_PACKAGES + ONE_REQUEST, MEMORY_TRACING="false")
    assert done.returncode == 0, done.stderr
