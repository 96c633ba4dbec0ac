"""How to talk to each peer over HTTP. A message goes to it as its own users would send it.

Our API takes the speaker's name beside the text and uses it; a peer that does not gets it before the text, so that all
have the same words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmarks.clients import Client, Row


def text_of(row: Row) -> str:
    """What a peer stores of a message."""
    return f"{row['name']}: {row['content']}" if row.get("name") else row["content"]


@dataclass(frozen=True)
class Mem0:
    """mem0's own REST calls, without a language model. Metadata belongs to a request, so each message is one."""

    name: str = "mem0"
    batch: int = 1

    def store(self, client: Client, tenant: str, rows: Sequence[Row]) -> list[str]:
        """Embedded and searchable when it answers."""
        for row in rows:
            message = {"role": row["role"], "content": text_of(row)}
            metadata = {"external_id": row["external_id"]}
            body = {"messages": [message], "user_id": tenant, "metadata": metadata, "infer": False}
            client.post("/memories", body, expected=200)
        return [row["external_id"] for row in rows]

    def search(self, client: Client, tenant: str, text: str, top_k: int) -> list[str]:
        """With mem0's default threshold."""
        body = {"query": text, "filters": {"user_id": tenant}, "top_k": top_k}
        found = client.post("/search", body, expected=200)["results"]
        return [hit["metadata"]["external_id"] for hit in found]


@dataclass(frozen=True)
class LangGraph:
    """LangGraph's PostgresStore behind `langgraph_app.py`: a namespace for each tenant."""

    name: str = "LangGraph store"
    batch: int = 100

    def store(self, client: Client, tenant: str, rows: Sequence[Row]) -> list[str]:
        """Embedded and searchable when it answers."""
        items = [
            {"key": row["external_id"], "value": {"text": text_of(row), "role": row["role"]}} for row in rows
        ]
        client.post("/items", {"namespace": [tenant], "items": items}, expected=200)
        return [row["external_id"] for row in rows]

    def search(self, client: Client, tenant: str, text: str, top_k: int) -> list[str]:
        """By the text's vector."""
        body = {"namespace": [tenant], "query": text, "limit": top_k}
        return [hit["key"] for hit in client.post("/search", body, expected=200)["items"]]


@dataclass(frozen=True)
class Hindsight:
    """Hindsight's own REST API: a bank for each tenant, a document for each message."""

    name: str = "Hindsight"
    batch: int = 100

    def store(self, client: Client, tenant: str, rows: Sequence[Row]) -> list[str]:
        """Embedded and searchable when it answers: not `async`."""
        items = [
            {"content": text_of(row), "document_id": row["external_id"]}
            | ({"timestamp": row["created_at"]} if "created_at" in row else {})
            for row in rows
        ]
        client.post(f"/v1/default/banks/{bank(tenant)}/memories", {"items": items}, expected=200)
        return [row["external_id"] for row in rows]

    def search(self, client: Client, tenant: str, text: str, top_k: int) -> list[str]:
        """It is bounded by tokens, not by a number: the first `top_k` of what it gives by default."""
        path = f"/v1/default/banks/{bank(tenant)}/memories/recall"
        found = client.post(path, {"query": text}, expected=200)["results"]
        return list(dict.fromkeys(hit["document_id"] for hit in found))[:top_k]


def bank(tenant: str) -> str:
    """A tenant's name as part of a path."""
    return "".join(letter if letter.isalnum() else "-" for letter in tenant)
