"""What is measured, running: our own stack or a peer, on a fresh PostgreSQL of the same kind and settings."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from memories.local_model import DIMENSIONS
from memory_layer.embedded.data_dir import locked
from memory_layer.embedded.servers import start_servers
from tests.benchmarks.clients import KEY
from tests.benchmarks.peers import MODEL
from tests.benchmarks.peers.catalogue import WEB_PROCESSES, Peer, Place
from tests.benchmarks.peers.environments import UnavailableError, environment
from tests.benchmarks.systems import Ours, System
from tests.faults.kills import until_embedded
from tests.stack import ROOT, children_of, free_port, running_stack

POSTGRES = "PostgreSQL"
READY_SECONDS = 120
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Hosted:
    """A system that runs; its processes as `processes.Family` wants them."""

    system: System
    address: str
    database_url: str
    groups: Sequence[str]
    child: Callable[[str], int | None]
    # Waits until every stored message of the tenant has its vector.
    until_embedded: Callable[[str], object]
    children_of: Callable[[int | None], set[int]] = children_of

    def vacuum(self) -> None:
        """What autovacuum does sooner or later, done now, for all alike."""
        with psycopg.connect(self.database_url, user="postgres", autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")


@contextmanager
def our_stack(settings: Mapping[str, str], name: str) -> Iterator[Hosted]:
    """This project as `make run` starts it, with a key; without repeated answers from the cache."""
    fixed = {
        "MEMORY_WEB_WORKERS": WEB_PROCESSES,
        "MEMORY_SEARCH_CACHE_SECONDS": "0",
        "MEMORY_API_KEYS": os.environ[KEY],
    }
    with running_stack(**fixed, **settings) as stack:
        yield Hosted(
            system=Ours(name=name),
            address=stack.address(),
            database_url=stack.noted()["urls"]["MEMORY_DATABASE_URL"],
            groups=("web", "worker", "Redis", POSTGRES),
            child=stack.child,
            until_embedded=lambda tenant: until_embedded(stack, tenant),
        )


def through(embedder_url: str) -> dict[str, str]:
    """The settings by which our stack asks the embedder of all."""
    return {
        "MEMORY_EMBEDDING_PROVIDER": "openai_compatible",
        "MEMORY_EMBEDDING_MODEL": MODEL,
        "MEMORY_EMBEDDING_DIMENSIONS": str(DIMENSIONS),
        "MEMORY_EMBEDDING_BASE_URL": embedder_url,
    }


@contextmanager
def running_peer(name: str, peer: Peer, embedder_url: str) -> Iterator[Hosted]:
    """A peer with a database of its own; UnavailableError if it cannot be had."""
    programs = environment(peer.pins)
    home = Path(tempfile.mkdtemp(prefix=f"peer-{name}-"))
    home.chmod(0o711)  # root's PostgreSQL runs as nobody and must pass
    try:
        with locked(home):
            servers = start_servers(home, durable=True, with_redis=False)
            try:
                place = Place(programs, home, servers.database_url, free_port(), embedder_url)
                peer.prepare(place)
                with _serving(peer, place) as server:
                    pids = {"server": server, POSTGRES: servers.processes[0].pid}
                    yield Hosted(
                        system=peer.system,
                        address=f"http://127.0.0.1:{place.port}",
                        database_url=place.database_url,
                        groups=tuple(pids),
                        child=pids.get,
                        until_embedded=lambda _: None,
                    )
            finally:
                servers.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def running_embedder() -> Iterator[str]:
    """The base URL of the embedder of all systems."""
    port = free_port()
    words = ["-m", "granian", "--interface", "wsgi", "--workers", "2", "--blocking-threads", "16"]
    words += ["--host", "127.0.0.1", "--port", str(port), "--no-log", "--workers-kill-timeout", "5"]
    command = [sys.executable, *words, "tests.benchmarks.peers.embedder:application"]
    with _process(command, dict(os.environ), Path(os.devnull), f"http://127.0.0.1:{port}/"):
        yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def _serving(peer: Peer, place: Place) -> Iterator[int]:
    """No variable of ours, above all no proxy and no key, reaches it."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(place.home)} | peer.environ(place)
    log, url = place.home / "server.log", f"http://127.0.0.1:{place.port}/health"
    with _process(peer.command(place), environ, log, url) as pid:
        yield pid


@contextmanager
def _process(command: Sequence[str], environ: Mapping[str, str], log: Path, url: str) -> Iterator[int]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise UnavailableError("it does not start: " + log.read_text(errors="replace")[-600:])
            time.sleep(0.2)
        yield process.pid
    except UnavailableError:
        raise
    except Exception:
        print(log.read_text(errors="replace")[-3000:])
        raise
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        with NO_PROXY.open(url, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False
