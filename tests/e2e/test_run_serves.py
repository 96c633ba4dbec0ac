"""`make run` does what its banner says."""

import http.client
import os
import shutil
import signal
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from tests.stack import Stack

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")


def paste(stack: Stack, first_words: str) -> str:
    """Run a command of the banner in a shell, as a reader would; answers its output."""
    lines = iter(stack.said().splitlines())
    command = next(line for line in lines if line.strip().startswith(first_words))
    while command.endswith("\\"):
        command = command[:-1] + next(lines)
    environ = {"PATH": os.environ["PATH"], "no_proxy": "localhost"}
    silent = command.replace("curl ", "curl -s --max-time 20 ", 1)
    return subprocess.run(silent, shell=True, capture_output=True, text=True, check=True, env=environ).stdout


def test_it_serves_on_the_next_free_port_and_says_so(stack: Stack) -> None:
    stack.up()
    assert f"Port {stack.port} is taken: using" in stack.said()
    assert "Open access: no API key configured" in stack.said()
    assert "\033" not in stack.said()


@pytest.mark.skipif(not shutil.which("curl"), reason="pastes curl commands")
def test_the_pasted_calls_store_and_find(stack: Stack) -> None:
    stack.up()
    assert '"id"' in paste(stack, "curl -X POST")
    assert "I love Python programming" in paste(stack, "curl 'http")

    def embedded() -> bool:
        return '"embedding_status":"ready"' in paste(stack, "curl 'http")

    stack.wait(embedded, "embedding")


def test_the_first_password_is_private(stack: Stack) -> None:
    stack.up()
    kept = stack.data_dir / "admin-password"
    assert kept.stat().st_mode & 0o777 == 0o600
    password = kept.read_text().strip()
    logs = "".join(log.read_text(errors="replace") for log in (stack.data_dir / "logs").iterdir())
    assert len(password) >= 12
    assert password not in logs


def test_a_second_one_on_the_same_data_is_refused(stack: Stack) -> None:
    stack.up()
    told = stack.said()
    assert stack.process
    try:
        second = stack.spawn()
        assert second.wait(20) == 1
        assert f"in use by process {stack.process.pid}: it runs already" in stack.said()
    finally:
        stack.output.write_text(told)


def test_a_killed_worker_is_started_again(stack: Stack) -> None:
    stack.up()
    killed = stack.child("worker")
    os.kill(killed, signal.SIGKILL)
    stack.wait(lambda: stack.child("worker") != killed, "new worker")
    assert "worker ended; it starts again in 1 s. Log: " in stack.said()


def test_a_kept_connection_does_not_stay_with_one_process_for_good(stack: Stack) -> None:
    """Else one process may have all that work. By chance, one answer in 200: 6,000 miss it once in 10^13 runs."""
    connection = http.client.HTTPConnection(urlsplit(stack.address()).netloc, timeout=30)
    for _ in range(6000):
        connection.request("GET", "/health/live")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        if answer.getheader("Connection") == "close":
            break
    else:
        pytest.fail("no answer ended the connection")
    connection.request("GET", "/health/live")  # by a new one
    assert connection.getresponse().status == 200
    connection.close()
