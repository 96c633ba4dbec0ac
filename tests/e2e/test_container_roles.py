"""What a container runs, outside one: every role, its health check, its end."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from memory_layer import serve
from tests.benchmarks.clients import KEY, Client
from tests.boxes import OPERATOR, Box, migrated
from tests.databases import rows_of, url_of
from tests.stack import free_port

MESSAGE = {
    "tenant_id": "boxes",
    "conversation_id": "c",
    "role": "user",
    "content": "the tent is in the cellar",
}


@pytest.fixture(scope="module")
def box(tmp_path_factory) -> Iterator[Box]:
    with migrated(tmp_path_factory.mktemp("box")) as box:
        yield box


@pytest.fixture
def served(box) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    running = {role: box.start(role) for role in ("web", "worker", "beat")}
    yield running
    for process in running.values():
        process.kill()
        process.wait()


def test_the_three_roles_serve_and_stop_when_they_are_asked(box, served, monkeypatch):
    assert {role: box.probe(role) for role in served} == {role: f"{role}: well" for role in served}
    monkeypatch.setenv(KEY, OPERATOR)
    with Client(f"http://127.0.0.1:{box.port}") as client:
        client.post("/v1/messages", MESSAGE)
        deadline = time.monotonic() + 20
        while (
            client.get("/v1/memory/search?tenant_id=boxes&query=tent")["results"][0]["embedding_status"]
            != "ready"
        ):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert client.status("/health/ready") == 200
        assert box.run("memory_layer.drain", "--wait", "0") == (0, "")
        assert client.status("/health/ready") == 503
        assert client.search("boxes", "tent"), "who comes nevertheless is served"
    for process in served.values():
        process.send_signal(signal.SIGTERM)
    assert {role: process.wait(30) for role, process in served.items()} == dict.fromkeys(served, 0)
    assert rows_of(box.environ["MEMORY_DATABASE_URL"], "SELECT count(*) FROM memories_embeddingjob") == [(0,)]


def test_the_health_checks_tell_of_what_does_not_run(box):
    with psycopg.connect(box.environ["MEMORY_DATABASE_URL"]) as connection:
        connection.execute(
            "UPDATE django_celery_beat_periodictask SET last_run_at = now() - interval '1 hour'"
        )
    said = {role: box.run("memory_layer.probe", role) for role in ("web", "worker", "beat")}
    assert {role: code for role, (code, _) in said.items()} == {"web": 1, "worker": 1, "beat": 1}
    assert said["web"][1] == "web: ConnectionRefusedError: [Errno 111] Connection refused\n"
    assert said["worker"][1].endswith(" does not answer\n")
    assert said["beat"][1].startswith("beat: nothing was sent ")


def test_a_command_is_run_as_manage_py_would(box):
    assert box.run("memory_layer.serve", "manage", "create_tenant", "from-a-box")[0] == 0
    code, said = box.run("memory_layer.serve", "manage", "create_tenant", "--nothing-like-it")
    assert (code, "unrecognized arguments" in said or "required" in said) == (2, True)


def test_a_command_leaves_the_metrics_of_a_server_alone(box):
    kept = Path(box.environ["PROMETHEUS_MULTIPROC_DIR"]) / "counter_1.db"
    kept.parent.mkdir(exist_ok=True)
    kept.touch()
    assert box.run("memory_layer.serve", "manage", "check")[0] == 0
    assert kept.exists()


@pytest.mark.parametrize("words", [(), ("cook",), ("web", "--threads", "4"), ("--wait", "long", "web")])
def test_what_is_no_role_is_refused(box, words):
    code, said = box.run("memory_layer.serve", *words)
    assert (code, "usage: python -m memory_layer.serve" in said) == (2, True)


def test_a_wrong_setting_stops_the_start_before_anything_waits(box):
    code, said = box.run("memory_layer.serve", "web", MEMORY_COLOUR="red")
    assert (code, "MEMORY_COLOUR is not a setting" in said) == (1, True)


def test_a_database_that_never_comes_is_named_without_its_password(box):
    url = f"postgresql://memory:sesame@127.0.0.1:{free_port()}/lost"
    code, said = box.run("memory_layer.serve", "--wait", "1", "worker", MEMORY_DATABASE_URL=url)
    assert code == 1
    assert said.startswith("The database lost at 127.0.0.1:")
    assert "did not answer within 1 s: " in said
    assert "sesame" not in said


def test_a_database_that_comes_late_is_waited_for():
    with psycopg.connect(os.environ["MEMORY_DATABASE_URL"], autocommit=True) as server:
        late = threading.Timer(1.2, lambda: server.execute("CREATE DATABASE late"))
        late.start()
        started = time.monotonic()
        try:
            serve.wait_for_database(url_of("late"), seconds=20)
        finally:
            late.join()
            server.execute("DROP DATABASE late WITH (FORCE)")
    assert 1.2 < time.monotonic() - started < 10
