"""LangGraph's PostgresStore over HTTP; run by uvicorn in LangGraph's environment, not in ours.

It is a library. Behind the same small server as mem0's, so that all are measured over HTTP. Index and search are its
defaults (HNSW, cosine); the pool of connections is what its documentation shows.
"""

import os
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

import openai
from fastapi import FastAPI
from langgraph.store.base import PutOp
from langgraph.store.postgres import PostgresStore
from pydantic import BaseModel

client = openai.OpenAI(api_key="sk-for-a-local-server", base_url=os.environ["EMBEDDER_URL"])


def embed(texts: list[str]) -> list[list[float]]:
    """The vectors of all texts, in one call."""
    model = os.environ["EMBEDDER_MODEL"]
    answer = client.embeddings.create(model=model, input=texts, encoding_format="float")
    return [row.embedding for row in answer.data]


def opened_store() -> AbstractContextManager[PostgresStore]:
    """A store with a pool of its own."""
    index = {"dims": int(os.environ["EMBEDDER_DIMENSIONS"]), "embed": embed, "fields": ["text"]}
    pool = {"min_size": 1, "max_size": 20}
    return PostgresStore.from_conn_string(os.environ["DATABASE_URL"], pool_config=pool, index=index)


def set_up() -> None:
    """Make the tables."""
    with opened_store() as store:
        store.setup()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One store for each process."""
    with opened_store() as app.state.store:
        yield


app = FastAPI(lifespan=lifespan)


class Items(BaseModel):
    """The body of POST /items."""

    namespace: list[str]
    items: list[dict[str, Any]]


class Search(BaseModel):
    """The body of POST /search."""

    namespace: list[str]
    query: str
    limit: int


@app.post("/items")
def put(body: Items) -> dict[str, Any]:
    """Store."""
    namespace = tuple(body.namespace)
    app.state.store.batch([PutOp(namespace, item["key"], item["value"]) for item in body.items])
    return {}


@app.post("/search")
def search(body: Search) -> dict[str, Any]:
    """Find."""
    found = app.state.store.search(tuple(body.namespace), query=body.query, limit=body.limit)
    return {"items": [{"key": item.key, "value": item.value, "score": item.score} for item in found]}


@app.get("/health")
def health() -> dict[str, Any]:
    """Whether it is there."""
    return {}
