"""What a worker process serves: requests read by the event loop, answered by Django in MEMORY_WEB_THREADS threads.

A thread gets whole requests, and keeps its database connection. Who is over its limit is answered without one.
"""

import asyncio
import ctypes
import json
import os
import random
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

import structlog
from django.conf import settings
from django.db import connections
from django.http import HttpResponse, HttpResponseBase

from memories import later
from memory_layer.logging import REQUEST_ID_HEADER, usable_request_id
from memory_layer.problems import CONTENT_TYPE, problem
from memory_layer.web import repeats, streams
from memory_layer.web.bodies import Bodies, Unreadable
from memory_layer.web.endings import Endings
from memory_layer.web.environ import environ_of
from memory_layer.web.threads import Threads

log = structlog.get_logger(__name__)

# Granian would name itself and its version.
SERVER = ("Server", "ai-memory-layer")
# A streamed answer that says to be no longer is sent at once: the pages' static files.
WHOLE_BYTES = 1024 * 1024
DRAIN_SECONDS = 1.0
# A kept connection stays with the process that took it, and one process may have taken most of those that work: another
# processor has nothing to do then. So one answer in so many ends its connection, more often while requests wait for a
# thread here, and whoever has time takes the next one. It costs a client 0.2 ms.
ANSWERS_KEPT, ANSWERS_KEPT_IN_A_CROWD = 200, 20
_CLOSE = ("Connection", "close")
_PR_SET_PDEATHSIG = 1

Application = Callable[[dict[str, Any], Callable[..., Any]], HttpResponseBase]
Work = tuple[Any, Any, bytes, int | None, "asyncio.Future[None]"]


class Gateway:
    """A WSGI application by granian's RSGI interface."""

    def __init__(self, application: Application, *, processes: int, threads: int, listener: int) -> None:
        self._application = application
        self._threads = Threads(
            threads,
            do=self._answer_or_log,
            tell=lambda work: self._endings.tell(work[-1]),
            end=connections.close_all,
        )
        self._listener = listener
        self._farewell: list[tuple[str, str]] = []
        self._is_one_of_several = processes > 1
        self._bodies = Bodies(settings.MAX_BODY_BYTES)

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """In the worker process, before its first request."""
        _end_with_parent()
        self._loop, self._endings = loop, Endings(loop)
        loop.add_signal_handler(signal.SIGTERM, self._drain)
        self._threads.start()

    def __rsgi_del__(self, _loop: asyncio.AbstractEventLoop) -> None:
        """After the last one."""
        self._threads.stop(seconds=1)
        later.finish_all()
        connections.close_all()

    def _drain(self) -> None:
        """Asked to stop: no new connections, those in use are ended by their next answer, and only then the others.

        A connection closed without a word, kept or new, may have a request on its way, which would be lost.
        """
        _stop_accepting(self._listener)
        self._farewell = [_CLOSE]
        self._loop.call_later(DRAIN_SECONDS, signal.raise_signal, signal.SIGINT)  # granian stops at either

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """One request."""
        if refusal := repeats.refusal_of(scope):
            if not refusal.repeated:
                self._loop.call_at(refusal.holds_until, repeats.tell, refusal)
            status, said, body = repeats.again(refusal, scope)
            protocol.response_bytes(status, [*said, *self._farewell], body)
            return
        body, length = b"", None
        headers = scope.headers
        declared = headers.get("content-length")
        if declared is not None or "transfer-encoding" in headers:
            try:
                body, length = await self._bodies.read(protocol, None if declared is None else int(declared))
            except Unreadable as error:
                _refuse(scope, protocol, error)
                return
        done = self._endings.expect()
        self._threads.give((scope, protocol, body, length, done))
        await done

    def _answer_or_log(self, work: Work) -> None:
        scope, protocol, body, length, _ = work
        try:
            self._answer(scope, protocol, body, length)
        except BaseException as error:  # a thread that ends is never replaced
            log.exception("unanswered", error=type(error).__name__)
            protocol.response_empty(500, [SERVER])

    def _answer(self, scope: Any, protocol: Any, body: bytes, length: int | None) -> None:
        said: list[Any] = []
        response = self._application(
            environ_of(scope, body, length),
            lambda status, headers, _info=None: said.extend((status, headers)),
        )
        status, headers = int(said[0][:3]), [*said[1], SERVER, *self._farewell]
        try:
            if isinstance(response, HttpResponse):
                protocol.response_bytes(status, [*headers, *self._parting()], response.content)
                repeats.keep(response, headers, scope.path)
            elif scope.method == "HEAD" or _is_short(response):
                protocol.response_bytes(
                    status, headers, b"" if scope.method == "HEAD" else b"".join(response)
                )
            else:
                self._stream(protocol, status, headers, response)
        finally:
            response.close()

    def _parting(self) -> list[tuple[str, str]]:
        if self._farewell or not self._is_one_of_several:
            return []
        kept = ANSWERS_KEPT_IN_A_CROWD if self._threads.has_waiting() else ANSWERS_KEPT
        return [_CLOSE] if random.random() * kept < 1 else []  # noqa: S311 - guards nothing

    def _stream(
        self, protocol: Any, status: int, headers: list[tuple[str, str]], response: HttpResponseBase
    ) -> None:
        left = asyncio.run_coroutine_threadsafe(_leaves(protocol), self._loop)
        try:
            streams.send(protocol, status, headers, response, has_left=left.done)
        except streams.Gone:
            log.info("reader_left", status=status)
        finally:
            left.cancel()


async def _leaves(protocol: Any) -> None:
    """Until the client closes its connection."""
    await protocol.client_disconnect()


def _is_short(response: HttpResponseBase) -> bool:
    """Whether it says so."""
    length = response.headers.get("Content-Length")
    return length is not None and int(length) <= WHOLE_BYTES


def _refuse(scope: Any, protocol: Any, error: Unreadable) -> None:
    """A problem like all others, and the end of the connection: the rest of the body may still come."""
    request_id = usable_request_id(scope.headers.get(REQUEST_ID_HEADER.lower()) or "")
    log.info("body_refused", status=error.status, request_id=request_id)
    headers = [
        ("Content-Type", CONTENT_TYPE),
        (REQUEST_ID_HEADER, request_id),
        ("Connection", "close"),
        SERVER,
    ]
    said = problem(status=error.status, detail=error.detail, request_id=request_id)
    protocol.response_bytes(error.status, headers, json.dumps(said).encode())


def _stop_accepting(listener: int) -> None:
    """Leave the socket to the other processes; what waits in its queue is theirs.

    Granian accepts until it stops, and hyper then closes what was accepted and not read from yet. It cannot be told to
    stop accepting alone: so a socket to which nobody connects takes the place of the other.
    """
    with socket.create_server(("127.0.0.1", 0)) as unknown:
        unknown.setblocking(False)
        os.dup2(unknown.fileno(), listener, inheritable=False)


def _end_with_parent() -> None:
    """Let the kernel stop us when the process that watches us was killed, as it would have."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
