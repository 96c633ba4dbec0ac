"""One client of the mixed load, for a process of its own: no Django here, which such a process has not set up."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.benchmarks import topical
from tests.benchmarks.clients import Client
from tests.benchmarks.times import Times

SEARCH, INGEST, CONTEXT = "search", "ingest", "context"
SHARES: Mapping[str, float] = {SEARCH: 0.80, INGEST: 0.15, CONTEXT: 0.05}
CONVERSATIONS = 20
SHOWN_ERRORS = 20


@dataclass(frozen=True)
class Bounds:
    """When a client stops: whichever comes first."""

    seconds: float
    requests: int


@dataclass
class Seen:
    """Milliseconds of each request that went well, by kind; how many did not, and what the first of those said."""

    times: dict[str, Times] = field(default_factory=lambda: {kind: Times() for kind in SHARES})
    errors: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SHARES, 0))
    said: list[str] = field(default_factory=list)
    seconds: float = 0.0


def mix(address: str, tenants: Sequence[str], place: int, bounds: Bounds) -> Seen:
    """Ask and tell, as fast as the answers come: any answer but the expected one is an error."""
    seen, chooser, writer = Seen(), random.Random(place), topical.Writer(50_000 + place)
    started = time.perf_counter()
    with Client(address) as client:
        calls = _calls(client, writer, place)
        for number in range(bounds.requests):
            if time.perf_counter() - started > bounds.seconds:
                break
            kind = chooser.choices(list(SHARES), weights=list(SHARES.values()))[0]
            tenant, conversation = chooser.choice(tenants), f"conversation-{chooser.randrange(CONVERSATIONS)}"
            try:
                seen.times[kind].take(partial(calls[kind], tenant, conversation, number))
            except (RuntimeError, OSError, ValueError) as error:
                seen.errors[kind] += 1
                seen.said = [*seen.said, f"{kind}: {type(error).__name__} {error}"][:SHOWN_ERRORS]
                client.connection.close()  # the next request opens it anew
    seen.seconds = time.perf_counter() - started
    return seen


def _calls(client: Client, writer: topical.Writer, place: int) -> dict[str, Callable[[str, str, int], Any]]:
    def search(tenant: str, _: str, _number: int) -> Any:
        return client.search(tenant, writer.question())

    def ingest(tenant: str, conversation: str, number: int) -> Any:
        body = {"tenant_id": tenant, "conversation_id": conversation, "role": "user"}
        content = {"content": writer.message()[1], "external_id": f"mixed-{place}-{number}"}
        return client.post("/v1/messages", body | content)

    def context(tenant: str, conversation: str, _number: int) -> Any:
        body = {"tenant_id": tenant, "conversation_id": conversation, "query": writer.question()}
        return client.post("/v1/memory/context", body, expected=200)

    return {SEARCH: search, INGEST: ingest, CONTEXT: context}
