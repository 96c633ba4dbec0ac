"""The circuit breaker: a provider that is down is left alone, and nothing but vectors waits."""

import contextlib
import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest
from django.db.models.functions import Now
from prometheus_client import REGISTRY
from pydantic import SecretStr

from memories import jobs, tasks
from memories.embeddings import EmbeddingError, Fault, breaker, circuit_store, embed
from memories.embeddings.circuit import Circuit
from memories.models import EmbeddingJob, Message, MessageEmbedding
from memory_layer import health
from tests.fake_provider import FakeProvider, identity, unit_vector_of

OPENAI = identity("openai")
INTERVAL = 0.5


@pytest.fixture
def fake(httpserver):
    fake = FakeProvider(httpserver)
    yield fake
    fake.released.set()


@pytest.fixture
def configure(settings, fake):
    def change(provider: str = "openai", **changes):
        settings.ENV = settings.ENV.model_copy(update=fake.settings(provider, **changes))

    change()
    return change


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Circuits of this test only, should Redis be away."""
    monkeypatch.setattr(circuit_store, "_alone", circuit_store._Alone())
    return circuit_store._alone


@pytest.fixture
def no_redis(settings, tmp_path):
    def close() -> None:
        settings.ENV = settings.ENV.model_copy(update={"redis_url": f"unix://{tmp_path}/closed.sock?db=0"})

    return close


def fail(times: int = 1) -> EmbeddingError:
    for _ in range(times):
        with pytest.raises(EmbeddingError) as caught:
            embed(["a"])
    return caught.value


def in_threads(call: Callable[[], object]) -> None:
    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"memory_embedding_{name}_total", labels) or 0.0


def test_it_opens_after_5_failures_and_then_nobody_is_called(configure, fake):
    before = counted("breaker_openings", provider="openai", fault="provider")
    fake.always = 500
    fail(times=4)
    assert breaker.state(OPENAI).state == "closed"
    fail(times=6)
    assert len(fake.calls) == 5
    error = fail()
    assert error.fault is Fault.PROVIDER
    assert 29 < error.retry_after_seconds <= 30
    state = breaker.state(OPENAI)
    assert (state.state, state.failures, state.reason) == ("open", 5, "InternalServerError (HTTP 500)")
    assert counted("breaker_openings", provider="openai", fault="provider") == before + 1


def test_an_answer_in_between_begins_the_count_anew(configure, fake):
    fake.orders = [500, 500, 500, 500, "", 500, 500, 500, 500]
    fail(times=4)
    assert embed(["a"]) == [pytest.approx(unit_vector_of("a"))]
    fail(times=4)
    assert breaker.state(OPENAI).state == "closed"


def test_a_refused_text_is_no_failure(configure, fake):
    fake.refused = "poison"
    for _ in range(6):
        with pytest.raises(EmbeddingError) as caught:
            embed(["poison"])
        assert caught.value.fault is Fault.TEXT
    assert breaker.state(OPENAI).failures == 0


@pytest.mark.parametrize("order", [401, 404, "too few dimensions"])
def test_a_wrong_set_up_opens_at_once_and_for_longer(configure, fake, order):
    before = counted("setup_faults", provider="openai")
    fake.always = order
    fail()
    error = fail()
    assert (error.fault, len(fake.calls)) == (Fault.SETUP, 1)
    assert 299 < error.retry_after_seconds <= 300
    assert counted("setup_faults", provider="openai") == before + 2


def test_a_corrected_key_is_tried_at_once(configure, fake):
    fake.orders = [401]
    fail()
    configure(openai_api_key=SecretStr("sk-right"))
    assert embed(["a"]) == [pytest.approx(unit_vector_of("a"))]


def test_who_asks_for_an_hour_is_left_alone_for_an_hour(configure, fake):
    fake.orders = [(429, {"Retry-After": "3600"})]
    fail()
    assert fail().retry_after_seconds > 3590
    assert len(fake.calls) == 1


def test_one_probe_an_interval_among_8_threads_and_it_closes_on_an_answer(configure, fake):
    configure(embedding_breaker_seconds=INTERVAL, embedding_timeout_seconds=10)
    fake.always = 503
    fail(times=5)
    opened, stop = time.monotonic(), threading.Event()

    def ask() -> None:
        while not stop.is_set():
            with contextlib.suppress(EmbeddingError):
                embed(["a"])
            time.sleep(0.002)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(4.5 * INTERVAL)
    stop.set()
    for thread in threads:
        thread.join()
    probes, elapsed = len(fake.calls) - 5, time.monotonic() - opened
    assert 3 <= probes <= elapsed / INTERVAL
    fake.always = ""
    time.sleep(1.1 * INTERVAL)
    assert breaker.state(OPENAI).state == "half-open"
    embed(["a"])
    state = breaker.state(OPENAI)
    assert (state.state, state.failures, state.reason) == ("closed", 0, "")


def test_of_8_threads_at_the_same_moment_one_is_the_probe(configure, fake):
    configure(embedding_breaker_seconds=INTERVAL, embedding_timeout_seconds=10)
    fake.always = 503
    fail(times=5)
    together = threading.Barrier(8)

    def ask() -> None:
        together.wait()
        fail()

    for _ in range(3):
        called = len(fake.calls)
        time.sleep(1.1 * INTERVAL)
        in_threads(ask)
        assert len(fake.calls) == called + 1


def test_a_probe_that_hangs_lets_no_other_through(configure, fake):
    configure(embedding_breaker_seconds=5)
    fake.always = "hang"
    circuit_store.change(breaker._name(OPENAI), lambda _, now: Circuit(5, now - 1, "provider", "down"))
    in_threads(fail)
    assert len(fake.calls) == 1
    assert breaker.state(OPENAI).failures == 6


PROBES = """
import sys, time
import django; django.setup()
from memories.embeddings import circuit_store
end = time.monotonic() + 2
while time.monotonic() < end:
    before, _, now = circuit_store.change("processes", lambda circuit, now: circuit.asked(now, interval_seconds=0.2))
    if before.state(now) == "half-open":
        print(now)
"""


def test_one_probe_an_interval_among_processes():
    circuit_store.change("processes", lambda _, now: Circuit(5, now - 1, "provider", "down"))
    started = [
        subprocess.Popen([sys.executable, "-c", PROBES], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    times = [[float(line) for line in process.communicate()[0].split()] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0]
    probes = sorted(itertools.chain(*times))
    assert len(probes) >= 8
    assert min(later - sooner for sooner, later in itertools.pairwise(probes)) >= 0.2


def test_without_redis_calls_go_through_and_each_process_counts_alone(configure, fake, no_redis, alone):
    fake.always = 500
    fail(times=5)
    no_redis()
    alone.quiet_until = 0.0
    fake.always = ""
    assert embed(["a"]) == [pytest.approx(unit_vector_of("a"))]
    assert alone.quiet_until > time.monotonic()
    fake.always = 500
    called = len(fake.calls)
    fail(times=7)
    assert len(fake.calls) == called + 5


def test_what_redis_holds_may_be_nonsense(configure, fake):
    from django.core.cache import cache

    fake.orders = [500]
    fail()
    client = circuit_store._client(cache._cache._servers[0])
    [key] = client.keys("memory:breaker:*")
    assert b"sk-openai" not in key
    client.set(key, '{"colour": "red"}')
    assert embed(["a"]) == [pytest.approx(unit_vector_of("a"))]


def test_providers_in_this_process_have_none(settings):
    embed(["a"])
    client = circuit_store._client(settings.ENV.redis_url)
    assert not client.keys("memory:breaker:*")


def test_health_says_that_a_provider_is_left_alone(configure, fake, db):
    assert health._provider()["ok"]
    fake.always = 401
    fail()
    row = health._provider()
    assert not row["ok"]
    [found] = row["breaker"]
    assert (found["provider"], found["state"], found["failures"]) == ("openai", "open", 1)
    assert found["reason"] == "AuthenticationError (HTTP 401)"
    assert 299 < found["seconds_to_probe"] <= 300


def test_a_provider_that_is_down_costs_vectors_only(configure, fake, bot, acme):
    message = {"conversation_id": "c", "role": "user"}
    configure(embedding_breaker_seconds=INTERVAL)
    fake.always = 503
    for number in range(6):
        content = f"I love Python programming, {number}"
        assert bot.post("/v1/messages", message | {"content": content}).status_code == 201
        EmbeddingJob.objects.update(next_attempt_at=Now())
        jobs.run_batch()
    assert len(fake.calls) == 5
    answer = bot.get("/v1/memory/search", query="Python").json()
    assert answer["degraded"] is True
    assert "left alone" in answer["degraded_reason"]
    assert len(answer["results"]) == 5  # top_k
    assert len(fake.calls) == 5
    assert EmbeddingJob.objects.filter(buried_at=None).count() == 6

    fake.always = ""
    time.sleep(1.1 * INTERVAL)
    EmbeddingJob.objects.update(next_attempt_at=Now())
    tasks.drain()
    assert not EmbeddingJob.objects.exists()
    stored = dict(MessageEmbedding.objects.filter(tenant=acme).values_list("message_id", "embedding"))
    texts = dict(Message.objects.filter(tenant=acme).values_list("id", "content"))
    assert len(stored) == 6
    for message_id, vector in stored.items():
        assert vector == pytest.approx(unit_vector_of(texts[message_id]), abs=1e-3)
    assert bot.get("/v1/memory/search", query="Python").json()["degraded"] is False


def test_while_it_is_open_jobs_are_left_as_they_are(configure, fake, bot, acme, hints):
    """Claiming them would rewrite the whole backlog at every interval."""
    fake.always = 503
    fail(times=5)
    bot.post("/v1/messages", {"conversation_id": "c", "role": "user", "content": "hello"})
    assert jobs.run_batch() == 0
    assert not jobs.workable()
    tasks.sweep()
    assert hints == []
    job = EmbeddingJob.objects.get()
    assert (job.attempts, job.last_error) == (0, "")
