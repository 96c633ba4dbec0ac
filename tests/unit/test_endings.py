"""Requests that threads have answered end without waking the event loop, and in time."""

import asyncio
import threading

from memory_layer.web import endings
from memory_layer.web.endings import Endings


def test_what_a_thread_tells_ends_though_nothing_else_comes():
    async def run() -> None:
        ended = Endings(asyncio.get_running_loop())
        first, second = ended.expect(), ended.expect()
        threading.Timer(2 * endings.SECONDS, ended.tell, [second]).start()
        await asyncio.wait_for(second, 20)
        assert not first.done()

    asyncio.run(run())


def test_it_ends_when_the_next_one_comes():
    async def run() -> None:
        ended = Endings(asyncio.get_running_loop())
        first = ended.expect()
        ended.tell(first)
        assert not first.done()
        second = ended.expect()
        assert (first.done(), second.done()) == (True, False)

    asyncio.run(run())


def test_one_that_was_given_up_harms_nobody():
    async def run() -> None:
        ended = Endings(asyncio.get_running_loop())
        first, second = ended.expect(), ended.expect()
        first.cancel()
        ended.tell(first)
        ended.tell(second)
        await asyncio.wait_for(second, 20)

    asyncio.run(run())


def test_nobody_looks_where_nobody_waits(monkeypatch):
    monkeypatch.setattr(endings, "SECONDS", 0.001)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        ended = Endings(loop)
        looks: list[object] = []
        later = loop.call_later
        monkeypatch.setattr(loop, "call_later", lambda *call: looks.append(call) or later(*call))
        first = ended.expect()
        ended.tell(first)
        await first
        seen = len(looks)
        await asyncio.sleep(0.05)
        # The sleep itself is one.
        assert len(looks) == seen + 1

    asyncio.run(run())
