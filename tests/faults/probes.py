"""Whether a whole stack is well, asked as a client: a message is stored, found and embedded, every part is well."""

import time
import uuid
from collections.abc import Callable
from urllib.parse import urlencode

from tests.faults.callers import KINDS, Caller
from tests.stack import Stack

PROBES = "probes"
POLL_SECONDS = 0.05
# No bar: what takes longer hangs.
PATIENCE_SECONDS = 180


def until_well(stack: Stack) -> dict[str, float]:
    """Seconds from now until each of it held, one after the other; the last is the time to all."""
    started, caller = time.monotonic(), Caller(stack, seconds=5)
    word = f"probe{uuid.uuid4().hex}"
    stored: list[str] = []

    def stores() -> bool:
        body = {"tenant_id": PROBES, "conversation_id": "c", "role": "user", "content": f"a {word}"}
        status, answer = caller.call("POST", "/v1/messages", body | {"external_id": word})
        stored[:] = [answer["id"]] if status == 201 else []
        return status == 201

    def finds() -> bool:
        asked = urlencode({"tenant_id": PROBES, "query": word, "top_k": 1})
        status, answer = caller.call("GET", f"/v1/memory/search?{asked}")
        return status == 200 and [hit["id"] for hit in answer["results"]] == stored

    def embeds() -> bool:
        status, answer = caller.call("GET", f"/v1/messages/{stored[0]}?tenant_id={PROBES}")
        return status == 200 and answer["embedding_status"] == "ready"

    def says_so() -> bool:
        return caller.call("GET", "/v1/admin/health")[0] == 200

    held: dict[str, float] = {}
    for holds in (stores, finds, embeds, says_so):
        wait_for(holds, holds.__name__)
        held[holds.__name__] = time.monotonic() - started
    caller.hang_up()
    return held


def wait_for(holds: Callable[[], bool], what: str, *, seconds: float = PATIENCE_SECONDS) -> None:
    """Ask until it holds; an error is a no. AssertionError after so long."""
    deadline = time.monotonic() + seconds
    while not _asked(holds):
        assert time.monotonic() < deadline, f"not after {seconds:.0f} s: {what}"
        time.sleep(POLL_SECONDS)


def _asked(holds: Callable[[], bool]) -> bool:
    try:
        return holds()
    except tuple(KINDS):
        return False
