"""mem0's `Memory` over HTTP, as its own server does it; run by uvicorn in mem0's environment, not in ours.

The server is no package, so this is the two calls that are measured, with the same bodies: plain functions, which
FastAPI runs in its threads, without the server's keys and request log, so it is rather faster than the original.
"""

import os
import tempfile
from typing import Any

from fastapi import FastAPI
from mem0 import Memory
from pydantic import BaseModel

OPENAI = {"api_key": "sk-for-a-local-server", "openai_base_url": os.environ["EMBEDDER_URL"]}

# The language model is never asked: `infer` is false. The history is SQLite; one for each process, because two would
# wait for each other's locks.
memory = Memory.from_config(
    {
        "vector_store": {
            "provider": "pgvector",
            "config": {
                "connection_string": os.environ["DATABASE_URL"],
                "collection_name": "memories",
                "embedding_model_dims": int(os.environ["EMBEDDER_DIMENSIONS"]),
            },
        },
        "embedder": {"provider": "openai", "config": OPENAI | {"model": os.environ["EMBEDDER_MODEL"]}},
        "llm": {"provider": "openai", "config": OPENAI | {"model": "never-asked"}},
        "history_db_path": tempfile.mkdtemp(dir=os.environ["HOME"]) + "/history.db",
    }
)
app = FastAPI()


def set_up() -> None:
    """Make the tables."""
    memory.search("hello", filters={"user_id": "nobody"})


class Memories(BaseModel):
    """The body of POST /memories."""

    messages: list[dict[str, str]]
    user_id: str
    metadata: dict[str, Any]
    infer: bool


class Search(BaseModel):
    """The body of POST /search."""

    query: str
    filters: dict[str, Any]
    top_k: int


@app.post("/memories")
def add(body: Memories) -> dict[str, Any]:
    """Store."""
    return memory.add(**body.model_dump())


@app.post("/search")
def search(body: Search) -> dict[str, Any]:
    """Find."""
    return memory.search(**body.model_dump())


@app.get("/health")
def health() -> dict[str, Any]:
    """Whether it is there."""
    return {}
