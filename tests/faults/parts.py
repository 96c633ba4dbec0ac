"""The parts of a stack: how each is killed (-9), and how one sees that it is back. Found by their roles."""

import contextlib
import os
import signal
from collections.abc import Callable

import psycopg

from tests.stack import Stack, alive

Back = Callable[[], bool]
Kill = Callable[[Stack], Back]


def _noted(name: str) -> Kill:
    """A process that the supervisor started: it is back under another pid."""

    def kill(stack: Stack) -> Back:
        before = stack.child(name)
        assert before
        os.kill(before, signal.SIGKILL)
        return lambda: stack.child(name) not in (before, None)

    return kill


def _process_of(name: str) -> Kill:
    """One of the processes that a noted one has started."""

    def kill(stack: Stack) -> Back:
        master = stack.child(name)
        before = stack.children_of(master)
        assert before, f"{name} has no processes"
        os.kill(max(before), signal.SIGKILL)
        return lambda: bool(stack.children_of(stack.child(name)) - before)

    return kill


def _postgres(stack: Stack) -> Back:
    is_new = _noted("PostgreSQL")(stack)
    return lambda: is_new() and _answers(stack)


def _backend(stack: Stack) -> Back:
    """PostgreSQL then ends all of its other backends, ours too, and recovers."""
    canary = psycopg.connect(stack.noted()["urls"]["MEMORY_DATABASE_URL"], autocommit=True)
    query = (
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    victims = [pid for (pid,) in canary.execute(query)]
    with contextlib.suppress(ProcessLookupError):
        os.kill(max(victims), signal.SIGKILL)

    def back() -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            canary.execute("SELECT 1")
            return not victims  # it has not noticed yet
        return _answers(stack)

    return back


def _supervisor(stack: Stack) -> Back:
    """Nobody starts it again but its operator, who does so at once."""
    assert stack.process
    stack.process.kill()
    stack.process.wait()
    stack.process = None
    stack.up()
    return lambda: True


def all_run(stack: Stack) -> bool:
    """Whether every process that the supervisor starts lives: none died of it, or they are back."""
    children = [stack.child(name) for name in ("PostgreSQL", "Redis", "worker", "web", "beat")]
    return None not in children and alive(set(children)) == set(children)


def _answers(stack: Stack) -> bool:
    try:
        stack.sql("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


PARTS: dict[str, Kill] = {
    "a web worker": _process_of("web"),
    "web": _noted("web"),
    "a worker's process": _process_of("worker"),
    "worker": _noted("worker"),
    "beat": _noted("beat"),
    "Redis": _noted("Redis"),
    "a backend of PostgreSQL": _backend,
    "PostgreSQL": _postgres,
    "the supervisor": _supervisor,
}
