import socket
from collections.abc import Iterator

import pytest

from memory_layer.embedded.errors import EmbeddedError
from memory_layer.embedded.ports import free_port, wanted_port


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        yield listener.getsockname()[1]


def test_the_port_is_8000_unless_said_otherwise() -> None:
    assert wanted_port({}) == 8000
    assert wanted_port({"MEMORY_PORT": "9000"}) == 9000
    assert wanted_port({"MEMORY_PORT": "9000", "PORT": "7000"}) == 7000


@pytest.mark.parametrize("wrong", ["0", "65536", "-1", "http", "80 80", "٨٠"])
def test_a_wrong_port_is_named(wrong: str) -> None:
    with pytest.raises(EmbeddedError, match=r"PORT is .* from 1 to 65535"):
        wanted_port({"PORT": wrong})


def test_a_free_port_is_taken_as_wished(taken: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        wished = probe.getsockname()[1]
    assert free_port("127.0.0.1", wished) == wished


def test_a_taken_port_is_passed_over(taken: int) -> None:
    assert taken < free_port("127.0.0.1", taken) <= taken + 50


def test_a_port_in_time_wait_is_free() -> None:
    """The web server binds with SO_REUSEADDR: a quick restart keeps its port."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            listener.accept()[0].close()  # the side that closes first is left in TIME_WAIT
    assert free_port("127.0.0.1", port) == port


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(EmbeddedError, match="MEMORY_HOST"):
        free_port("192.0.2.1", 8000)
