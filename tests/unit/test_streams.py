"""Answers that are made while they are sent: all of it, no faster than it is read, and not after the reader is gone."""

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from memory_layer.web import streams

PART = b"x" * 100_000


class Reader(threading.Thread):
    """What granian does with a file: opens it, reads as fast as the client takes it."""

    def __init__(self, most: int | None = None) -> None:
        super().__init__()
        self.most, self.read, self.go_on = most, 0, threading.Event()

    def response_file(self, _status: int, _headers: list[tuple[str, str]], path: str) -> None:
        self.path = Path(path)
        self.start()

    def run(self) -> None:
        with self.path.open("rb", buffering=0) as pipe:
            while part := pipe.read(10_000):
                self.read += len(part)
                if self.most is not None and self.read >= self.most:
                    self.go_on.wait(10)
                    return


def send(reader: Reader, parts: Iterable[bytes], *, has_left: Callable[[], bool] = lambda: False) -> None:
    streams.send(reader, 200, [], parts, has_left=has_left)


def test_it_works():
    reader = Reader()
    send(reader, [PART] * 20)
    reader.join()
    assert reader.read == 20 * len(PART)
    assert not reader.path.parent.exists()


def test_nothing_is_made_that_nobody_takes():
    reader, made = Reader(most=50_000), []

    def parts() -> Iterator[bytes]:
        for number in range(100):
            made.append(number)
            yield PART

    def try_to() -> None:
        with pytest.raises(streams.Gone):
            send(reader, parts())
        made.append("gone")

    sending = threading.Thread(target=try_to)
    sending.start()
    sending.join(0.5)
    assert sending.is_alive()
    assert len(made) <= 3
    reader.go_on.set()  # and it leaves
    sending.join(10)
    assert made[-1] == "gone"
    assert len(made) <= 5


def test_a_reader_that_sleeps_is_given_up(monkeypatch):
    monkeypatch.setattr(streams, "SECONDS", 0.1)
    reader = Reader(most=1)
    with pytest.raises(streams.Gone):
        send(reader, [PART] * 20)
    reader.go_on.set()
    reader.join()


def test_a_reader_that_left_before_the_first_part_is_not_waited_for():
    reader = Reader()
    reader.response_file = lambda *_: None
    with pytest.raises(streams.Gone):
        send(reader, [PART], has_left=lambda: True)


def test_nobody_ever_reads(monkeypatch):
    monkeypatch.setattr(streams, "OPENING_SECONDS", 0.05)
    reader = Reader()
    reader.response_file = lambda *_: None
    with pytest.raises(streams.Gone):
        send(reader, [PART])
