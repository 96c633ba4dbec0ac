"""What a memory system must do to be measured: store messages and find them, through its own HTTP API."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tests.benchmarks.clients import Client, Row, send


class System(Protocol):
    """How to talk to a system. Goes to client processes by pickle, so it holds no connection."""

    @property
    def name(self) -> str:
        """For tables."""

    @property
    def batch(self) -> int:
        """How many messages one request may bring when many are loaded."""

    def store(self, client: Client, tenant: str, rows: Sequence[Row]) -> list[str]:
        """Returns when they are stored for good and searches find them; their external ids, in order."""

    def search(self, client: Client, tenant: str, text: str, top_k: int) -> list[str]:
        """The external ids of what it finds, best first, at most `top_k`."""


@dataclass(frozen=True)
class Ours:
    """This project's REST API."""

    name: str = "AI Memory Layer"
    batch: int = 100

    def store(self, client: Client, tenant: str, rows: Sequence[Row]) -> list[str]:
        """Acknowledged means found by its words; its vector comes a moment later."""
        send(client, tenant, rows)
        return [row["external_id"] for row in rows]

    def search(self, client: Client, tenant: str, text: str, top_k: int) -> list[str]:
        """With all defaults."""
        return [hit["external_id"] for hit in client.search(tenant, text, top_k=top_k)]


OURS = Ours()
