"""What one process ends, another one refuses within seconds: two real processes on one database."""

import json
import os
import subprocess
import sys
import time

import pytest
from django.db import connection

from tenants import lifecycle
from tests.conftest import Api
from tests.factories import TenantFactory

PROMISED_SECONDS = 30.0
# A second web process: it asks with each key in turn, again and again, and says what came.
OTHER = """
import json, os, sys, time
import django
from django.conf import settings
django.setup()
settings.DATABASES["default"]["NAME"] = os.environ["TEST_DATABASE"]
from django.test import Client
client = Client(raise_request_exception=False)
keys = json.loads(sys.stdin.readline())
while True:
    statuses = [client.get("/v1/messages", HTTP_X_API_KEY=key, HTTP_HOST="localhost").status_code for key in keys]
    print(json.dumps(statuses), flush=True)
    time.sleep(0.1)
"""


@pytest.fixture
def other():
    environ = os.environ | {
        "TEST_DATABASE": connection.settings_dict["NAME"],
        "DJANGO_SETTINGS_MODULE": "memory_layer.settings",
    }
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", OTHER], stdin=pipe, stdout=pipe, text=True, env=environ)
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def statuses(process) -> list[int]:
    return json.loads(process.stdout.readline())


@pytest.mark.django_db(transaction=True)
def test_revoked_rotated_and_suspended_here_is_dead_there(other):
    tenant, suspended = TenantFactory(), TenantFactory()
    made = [
        lifecycle.create_key(tenant=each, scopes=["read"]) for each in (tenant, tenant, suspended, tenant)
    ]
    (revoked, _), (rotated, _), _, _ = made
    other.stdin.write(json.dumps([plain for _, plain in made]) + "\n")
    other.stdin.flush()
    assert statuses(other) == [200, 200, 200, 200]
    ended = time.monotonic()
    lifecycle.revoke_key(key=revoked)
    lifecycle.rotate_key(key=rotated, overlap=lifecycle.OVERLAP * 0)
    lifecycle.set_suspended(tenant=suspended, suspended=True)
    assert [Api(plain).get("/v1/messages").status_code for _, plain in made] == [401, 401, 403, 200]
    while (said := statuses(other)) != [401, 401, 403, 200]:
        assert time.monotonic() - ended < PROMISED_SECONDS, said
