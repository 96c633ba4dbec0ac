"""mem0's `Memory` over HTTP with what mem0's own server does around it; run by uvicorn in mem0's environment.

That server is no package. Its files say what it does for each request: a session of SQLAlchemy and the ways in that it
knows (a bearer token, a key), and, when the answer is made, a row about the request in PostgreSQL, written by another
thread. Written anew here. Where it leaves a choice this takes what is cheapest for it: the administrator's key, which
is compared and not looked up (those of users are hashed by bcrypt), one database for all tables, no log on the console.
"""

import asyncio
import os
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Annotated

import mem0_app
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import DateTime, Index, String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

KEY = os.environ["ADMIN_API_KEY"]
engine = create_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"), pool_pre_ping=True
)
Sessions = sessionmaker(bind=engine, autoflush=False, expire_on_commit=False)


class Base(DeclarativeBase):
    """The tables of the server itself."""


class Handled(Base):
    """A request that was answered."""

    __tablename__ = "request_logs"
    __table_args__ = (Index("request_logs_created_at", "created_at", postgresql_using="brin"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    method: Mapped[str] = mapped_column(String(16))
    path: Mapped[str] = mapped_column(String(512))
    status_code: Mapped[int]
    latency_ms: Mapped[float]
    auth_type: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))


def set_up() -> None:
    """Make the tables."""
    mem0_app.set_up()
    Base.metadata.create_all(engine)


def session() -> Iterator[Session]:
    """For the check of the key; it asks the database for nothing where the key is the administrator's."""
    with Sessions() as opened:
        yield opened


async def checked(
    request: Request,
    token: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))],
    key: Annotated[str | None, Depends(APIKeyHeader(name="X-API-Key", auto_error=False))],
    _: Annotated[Session, Depends(session)],
) -> None:
    """401 for all but the administrator."""
    if token is not None or key is None or not secrets.compare_digest(key, KEY):
        raise HTTPException(401)
    request.state.auth_type = "admin_api_key"


app = FastAPI()
app.include_router(mem0_app.calls, dependencies=[Depends(checked)])
app.include_router(mem0_app.health)


@app.middleware("http")
async def noted(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    """Nobody waits for the row."""
    started = time.perf_counter()
    response = await answer(request)
    row = Handled(
        method=request.method,
        path=request.url.path,
        status_code=response.status_code,
        latency_ms=round((time.perf_counter() - started) * 1000, 2),
        auth_type=getattr(request.state, "auth_type", "none"),
    )
    asyncio.get_running_loop().run_in_executor(None, _write, row)
    response.headers["X-Request-ID"] = uuid.uuid4().hex
    return response


def _write(row: Handled) -> None:
    with Sessions.begin() as opened:
        opened.add(row)
