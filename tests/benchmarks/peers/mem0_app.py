"""mem0's `Memory` over HTTP, and nothing else; run by uvicorn in mem0's environment, not in ours.

mem0's own server is no package, so this is the two calls that are measured, with the same bodies: plain functions,
which FastAPI runs in its threads. `mem0_server` puts around them what that server does.
"""

import os
import tempfile
from typing import Any

from fastapi import APIRouter, FastAPI
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
calls, health = APIRouter(), APIRouter()


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


@calls.post("/memories")
def add(body: Memories) -> dict[str, Any]:
    """Store."""
    return memory.add(**body.model_dump())


@calls.post("/search")
def search(body: Search) -> dict[str, Any]:
    """Find."""
    return memory.search(**body.model_dump())


@health.get("/health")
def is_there() -> dict[str, Any]:
    """Whether it is there."""
    return {}


app = FastAPI()
app.include_router(calls)
app.include_router(health)
