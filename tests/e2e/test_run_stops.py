"""`make run` leaves nothing behind, however it ends, and has its data again afterwards."""

import sys
from pathlib import Path

import pytest

from tests.stack import Stack, alive

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells children of their parent's death"
)


def test_sigterm_stops_everything_in_order_and_messages_outlive_it(stack: Stack) -> None:
    stack.up()
    stored = stack.post(
        "/v1/messages", tenant_id="e2e", conversation_id="c", role="user", content="kept for good"
    )
    family = stack.family()
    sockets = Path(stack.noted()["sockets"])
    assert stack.process
    stack.process.terminate()
    assert stack.process.wait(30) == 0
    assert alive(family) == set()
    assert stack.cluster_state() == "shut down"
    assert not sockets.exists()
    assert stack.said().endswith("Stopped\n")
    stack.up()
    found = stack.get("/v1/memory/search?tenant_id=e2e&query=kept")["results"]
    assert [hit["id"] for hit in found] == [stored["id"]]


def test_after_a_kill_nothing_lives_on_and_the_data_are_whole(stack: Stack) -> None:
    stack.up()
    key = (stack.data_dir / "secret-key").read_text()
    family = stack.family()
    assert stack.process
    stack.process.kill()
    stack.process.wait()
    stack.process = None
    stack.wait(lambda: not alive(family), "end of the children")
    assert stack.cluster_state() == "shut down"
    stack.up()
    assert (stack.data_dir / "secret-key").read_text() == key
    assert "first password in" in stack.said()
