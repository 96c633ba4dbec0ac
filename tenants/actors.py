"""Who acts: said once where a request, an admin's page or a task comes in, and read where an audit event is written.

A context variable, so every thread has its own: a web thread that takes another request is told who is asking before
anything can be written, and work that nobody announced (a command, a shell) is the user of the operating system.
"""

import getpass
import os
from contextvars import ContextVar
from typing import NamedTuple

import structlog

from tenants.audit_actions import ActorKind


class Actor(NamedTuple):
    """`name`: the key's prefix, the admin's user name, the user of the operating system, or the task."""

    kind: ActorKind
    name: str


# Bare: every request of the API sets one, and hardly any reads it.
_ACTOR: ContextVar[tuple[ActorKind, str] | None] = ContextVar("actor", default=None)


def acting(kind: ActorKind, name: str) -> None:
    """From now on, in this thread, it is this one who acts."""
    _ACTOR.set((kind, name))


def current() -> Actor:
    """Who acts."""
    said = _ACTOR.get()
    return Actor(*said) if said else Actor(ActorKind.COMMAND, _system_user())


def request_id() -> str:
    """That of the request under way, which is also in its log lines; empty outside of requests."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user that has no name
        return f"uid {os.getuid()}"
