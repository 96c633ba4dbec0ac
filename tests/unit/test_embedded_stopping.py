import os
import signal
import time
from collections.abc import Iterator

import pytest

from memory_layer.embedded.errors import StopRequested
from memory_layer.embedded.stopping import StopSignals


@pytest.fixture
def signals() -> Iterator[StopSignals]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, signal.SIG_DFL)  # the tests may run under nohup themselves
    listening = StopSignals()
    listening.install()
    yield listening
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_request_ends_the_next_wait_at_once(signals: StopSignals, number: signal.Signals) -> None:
    signals.pause(0)
    os.kill(os.getpid(), number)
    began = time.monotonic()
    with pytest.raises(StopRequested):
        signals.pause(30)
    assert time.monotonic() - began < 1
    assert not signals.hurried()


def test_the_second_request_means_hurry(signals: StopSignals) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    assert signals.hurried()


def test_under_nohup_a_hang_up_is_ignored(signals: StopSignals) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signals.install()
    os.kill(os.getpid(), signal.SIGHUP)
    signals.pause(0)
