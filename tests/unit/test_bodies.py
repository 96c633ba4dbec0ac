"""Bodies that come slowly, in parts, too long or not whole."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from granian.rsgi import ProtocolClosed

from memory_layer.web import bodies
from memory_layer.web.bodies import Bodies, TooManyBodies, TooSlow, Unreadable


class parts:
    """What comes, as granian gives it: part by part or in one; `closed`: the client goes then."""

    def __init__(self, *sent: bytes, wait: float = 0, closed: bool = False) -> None:
        self.sent, self.wait, self.closed = sent, wait, closed

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.sent:
            await asyncio.sleep(self.wait)
            yield part

    async def __call__(self) -> bytes:
        whole = b"".join([part async for part in self])
        if self.closed:
            raise ProtocolClosed
        return whole


def read(reader: Bodies, protocol: parts, declared: int | None) -> tuple[bytes, int]:
    return asyncio.run(reader.read(protocol, declared))


@pytest.fixture(params=["in one", "in parts"], autouse=True)
def _short(request, monkeypatch):
    if request.param == "in parts":
        monkeypatch.setattr(bodies, "SHORT_BYTES", 0)


def test_it_works():
    assert read(Bodies(10), parts(b"he", b"llo", b""), 5) == (b"hello", 5)
    assert read(Bodies(10), parts(b"he", b"llo"), None) == (b"hello", 5)


def test_a_body_that_says_to_be_too_long_is_not_read():
    assert read(Bodies(4), parts(b"never"), 5) == (b"", 5)


def test_one_without_a_length_is_read_until_it_is_too_long():
    assert read(Bodies(4), parts(b"abc", b"def", b"ghi"), None) == (b"", 6)


def test_a_byte_at_a_time_takes_too_long(monkeypatch):
    monkeypatch.setattr(bodies, "SECONDS", 0.05)
    with pytest.raises(TooSlow):
        read(Bodies(100), parts(*[b"x"] * 50, wait=0.01), 50)


def test_a_body_that_was_cut_off_is_none():
    with pytest.raises(Unreadable):
        read(Bodies(10), parts(b"hel", closed=True), 5)


def test_what_is_held_at_once_is_bounded_and_let_go(monkeypatch):
    monkeypatch.setattr(bodies, "HELD_BYTES", 5)
    monkeypatch.setattr(bodies, "SHORT_BYTES", 0)
    reader = Bodies(10)

    async def two() -> list[object]:
        slow = reader.read(parts(b"abc", b"d", wait=0.01), 4)
        return await asyncio.gather(slow, reader.read(parts(b"efg", wait=0.015), 3), return_exceptions=True)

    kept, refused = asyncio.run(two())
    assert kept == (b"abcd", 4)
    assert isinstance(refused, TooManyBodies)
    assert reader.held == 0
