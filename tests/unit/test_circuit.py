"""The circuit breaker as a formula: threshold 5, interval 30 s, times in seconds."""

import pytest

from memories.embeddings.base import EmbeddingError, Fault
from memories.embeddings.circuit import Circuit

NOW = 1000.0


def failed(
    circuit: Circuit, fault: Fault = Fault.PROVIDER, *, now: float = NOW, retry_after: float = 0
) -> Circuit:
    error = EmbeddingError("down", fault=fault, retry_after_seconds=retry_after)
    return circuit.failed(error, now, threshold=5, interval_seconds=30)


def test_it_works():
    circuit = Circuit()
    for _ in range(4):
        circuit = failed(circuit)
    assert circuit.state(NOW) == "closed"
    circuit = failed(circuit)
    assert circuit == Circuit(failures=5, until=NOW + 30, fault="provider", reason="down")
    assert [circuit.state(NOW + second) for second in (0, 29.9, 30, 3000)] == [
        "open",
        "open",
        "half-open",
        "half-open",
    ]


@pytest.mark.parametrize(
    ("fault", "retry_after", "pause"),
    [
        (Fault.SETUP, 0, 300),  # 10 * 30
        (Fault.PROVIDER, 3600, 3600),
        (Fault.PROVIDER, 86400, 3600),  # a probe an hour
        (Fault.PROVIDER, 31, 31),
        (Fault.SETUP, 400, 400),
    ],
)
def test_one_failure_is_enough(fault, retry_after, pause):
    assert failed(Circuit(), fault, retry_after=retry_after).until == NOW + pause


@pytest.mark.parametrize("retry_after", [0, 1, 30])
def test_one_failure_is_not_enough(retry_after):
    assert failed(Circuit(), retry_after=retry_after).until == 0


def test_a_probe_puts_the_next_one_off_before_it_is_answered():
    circuit = Circuit(5, NOW, "provider", "down").asked(NOW, interval_seconds=30)
    assert circuit.until == NOW + 30
    assert circuit.asked(NOW + 1, interval_seconds=30) is circuit
    assert failed(circuit, now=NOW + 20).until == NOW + 50


def test_a_late_failure_does_not_bring_the_probe_forward():
    circuit = failed(Circuit(), Fault.SETUP)
    assert failed(circuit, now=NOW + 10).until == NOW + 300


def test_a_closed_circuit_stays_as_it_is_when_asked():
    circuit = Circuit(failures=4)
    assert circuit.asked(NOW, interval_seconds=30) is circuit
