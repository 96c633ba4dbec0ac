"""`make run`: everything started in order, watched, restarted, and stopped in reverse.

Start: PostgreSQL, Redis, migrations, first admin, worker, web, beat. Stop: beat, so that nothing new is
scheduled; web, so that nothing new is accepted; worker, which finishes its batch; Redis; PostgreSQL, which
then has no clients.
"""

import http.client
import time
from collections.abc import Mapping
from pathlib import Path

from memory_layer.embedded import leftovers, services
from memory_layer.embedded.banner import Facts, banner, reachable, say, warning
from memory_layer.embedded.data_dir import locked, open_data_dir
from memory_layer.embedded.environment import Wishes, children_environ
from memory_layer.embedded.errors import EmbeddedError, StopRequested
from memory_layer.embedded.ports import free_port, wanted_port
from memory_layer.embedded.process import Process, run_to_end
from memory_layer.embedded.restarts import Watch
from memory_layer.embedded.servers import Servers, start_servers
from memory_layer.embedded.stopping import StopSignals

MIGRATE_SECONDS = 3600
READY_SECONDS = 60
# For beat, web and worker together; the web server's 20 s lie within.
STOP_SECONDS = 26


def run(environ: Mapping[str, str]) -> int:
    """Serve until a signal comes; answers the exit code, 0 for an ordered stop.

    Raises EmbeddedError when the start fails, with nothing left running.
    """
    signals = StopSignals()
    signals.install()
    data_dir = open_data_dir(environ.get("MEMORY_DATA_DIR", ""))
    with locked(data_dir):
        try:
            leftovers.clear(data_dir, pause=signals.pause, say=say)
            _serve(Stack(Wishes(environ), data_dir, signals))
        except StopRequested:
            say("Stopped")
    return 0


def _serve(stack: "Stack") -> None:
    try:
        stack.start()
        stack.watch()
    except StopRequested:
        say("\nStopping")
        raise
    finally:
        stack.stop()
        leftovers.forget(stack.data_dir)


class Stack:
    """Everything of one run."""

    def __init__(self, wishes: Wishes, data_dir: Path, signals: StopSignals) -> None:
        self.wishes = wishes
        self.data_dir = data_dir
        self.logs = data_dir / "logs"
        self.signals = signals
        self.servers: Servers | None = None
        self.services: list[Process] = []

    def start(self) -> None:
        """Bring it up and tell where it is."""
        host = self.wishes.host
        wanted = wanted_port(self.wishes.environ)
        environ = children_environ(self.wishes, self.data_dir, self._start_servers())
        password_file = self.data_dir / "admin-password"
        had_password = password_file.exists()
        self._set_up(environ, password_file)
        port = free_port(host, wanted)
        if port != wanted:
            say(warning(f"Port {wanted} is taken: using {port} instead."))
        self._start_services(environ, host, port)
        new = not had_password and password_file.exists()
        say(banner(Facts(host, port, self.data_dir, password_file, new, self.wishes.open_access)))

    def watch(self) -> None:
        """Restart what dies; ends by StopRequested only."""
        watches = [Watch(process) for process in self._processes()]
        noted = True
        while True:
            self.signals.pause(0.3)
            started = [watch for watch in watches if watch.look(time.monotonic(), say)]
            if started or not noted:
                noted = self._recorded()

    def stop(self) -> None:
        """Everything down, in order. A second signal kills what is left, PostgreSQL excepted."""
        deadline = time.monotonic() + STOP_SECONDS
        for process in reversed(self.services):
            process.stop(seconds=max(1, deadline - time.monotonic()), hurried=self.signals.hurried)
        if self.servers:
            self.servers.stop(self.signals.hurried)

    def _start_servers(self) -> Servers:
        own = [not self.wishes.has("MEMORY_DATABASE_URL"), not self.wishes.has("MEMORY_REDIS_URL")]
        if any(own):
            say("Starting the database and the queue")
        self.servers = start_servers(
            self.data_dir,
            durable=True,
            with_postgres=own[0],
            with_redis=own[1],
            pause=self.signals.pause,
            say=say,
        )
        self._record()
        return self.servers

    def _set_up(self, environ: Mapping[str, str], password_file: Path) -> None:
        say("Migrating the database")
        process = services.manage(environ, self.logs, "set_up", "--password-file", str(password_file))
        if run_to_end(process, seconds=MIGRATE_SECONDS, pause=self.signals.pause):
            raise EmbeddedError(f"{process.name} failed. {process.last_words()}")

    def _start_services(self, environ: Mapping[str, str], host: str, port: int) -> None:
        say("Starting web, worker and beat")
        web = services.web(environ, self.logs, host, port)
        worker = services.worker(environ, self.logs)
        for process in (worker, web, services.beat(environ, self.logs)):
            self.services.append(process)
            process.start()
        self._record()
        web.wait_until(lambda: _ready(host, port), seconds=READY_SECONDS, pause=self.signals.pause)

    def _processes(self) -> list[Process]:
        return [*(self.servers.processes if self.servers else []), *self.services]

    def _recorded(self) -> bool:
        """False while the disk is full: that must not end what runs, so it is tried again."""
        try:
            self._record()
        except OSError:
            return False
        return True

    def _record(self) -> None:
        if self.servers:
            urls = {
                "MEMORY_DATABASE_URL": self.servers.database_url,
                "MEMORY_REDIS_URL": self.servers.redis_url,
            }
            leftovers.record(self.data_dir, self._processes(), self.servers.sockets.directory, urls)


def _ready(host: str, port: int) -> bool:
    """Whether the web process is ready; asked without proxies.

    A refusal (400 with MEMORY_ALLOWED_HOSTS that lacks localhost, a redirect to https) comes from a Django that
    serves, only not under this name; 503 from one that cannot reach its servers.
    """
    address = reachable(host).strip("[]")
    connection = http.client.HTTPConnection(
        "127.0.0.1" if address == "localhost" else address, port, timeout=5
    )
    try:
        connection.request("GET", "/health/ready", headers={"Host": f"localhost:{port}"})
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
