"""openai, azure_openai and openai_compatible against one server that misbehaves on order: no vector is ever wrong."""

import re
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pydantic import SecretStr

from memories.checks import check_provider
from memories.embeddings import EmbeddingError, Fault, batches, embed, warm_up
from tests import fake_provider
from tests.fake_provider import DIMENSIONS, MODEL, REMOTE, FakeProvider, unit_vector_of

TEXTS = ["one", "two", "three"]
P, T, S = Fault.PROVIDER, Fault.TEXT, Fault.SETUP

# what the server does once -> whose fault it is and the seconds to wait; None: right vectors
TABLE = [
    ((429, {"Retry-After": "1"}), P, 1),
    ((429, {"Retry-After": "3600"}), P, 3600),
    ((503, {"Retry-After": "1.5"}), P, 1.5),
    ((429, {"Retry-After": "soon"}), P, 0),
    ((429, {"Retry-After": "nan"}), P, 0),
    ((429, {"Retry-After": "-5"}), P, 0),
    ((429, {"Retry-After": "²"}), P, 0),
    ((429, {"Retry-After": "1e400"}), P, 86400),
    ((429, {"Retry-After": "99999999999999999999"}), P, 86400),
    ((302, {"Location": "/nowhere"}), P, 0),
    (500, P, 0),
    (503, P, 0),
    (408, P, 0),
    (409, P, 0),
    (400, T, 0),
    (413, T, 0),
    (422, T, 0),
    (401, S, 0),
    (403, S, 0),
    (404, S, 0),
    ("hang", P, 0),
    ("reset", P, 0),
    ("html", P, 0),
    ("not json", P, 0),
    ("bad gzip", P, 0),
    ("no data", P, 0),
    ("a list", P, 0),
    ("empty", P, 0),
    ("short", P, 0),
    ("twice", P, 0),
    ("same index", P, 0),
    ("null", P, 0),
    ("half a number", P, 0),
    ("no base64", P, 0),
    ("NaN", T, 0),
    ("infinite", T, 0),
    ("zeros", T, 0),
    ("too few dimensions", S, 0),
    ("reversed", None, 0),
    ("base64 unasked", None, 0),
    ("numbers", None, 0),
    ("", None, 0),
]


@pytest.fixture
def fake(httpserver):
    fake = FakeProvider(httpserver)
    yield fake
    fake.released.set()


@pytest.fixture
def configure(settings, fake):
    """configure("openai", ...): embed() asks the fake as that provider."""

    def change(provider: str, **changes):
        settings.ENV = settings.ENV.model_copy(update=fake.settings(provider, **changes))

    return change


@pytest.mark.parametrize("provider", REMOTE)
@pytest.mark.parametrize(("order", "fault", "wait"), TABLE, ids=[str(row[0]) for row in TABLE])
def test_a_misbehaving_server_gives_no_wrong_vector(configure, fake, provider, order, fault, wait):
    configure(provider)
    fake.orders = [order]
    if fault is None:
        assert embed(TEXTS) == [pytest.approx(unit_vector_of(text)) for text in TEXTS]
    else:
        with pytest.raises(EmbeddingError) as caught:
            embed(TEXTS)
        assert (caught.value.fault, caught.value.retry_after_seconds) == (fault, wait)
        assert not re.search("one|two|three", str(caught.value))


def test_a_date_says_how_long_to_wait_too(configure, fake):
    configure("openai")
    fake.orders = [
        (503, {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)})
    ]
    with pytest.raises(EmbeddingError) as caught:
        embed(TEXTS)
    assert 15 < caught.value.retry_after_seconds <= 20


def test_each_calls_its_own_address_with_its_own_key(configure, fake):
    for provider in REMOTE:
        configure(provider, embedding_api_key=SecretStr("key-of-mine"))
        embed(["a"])
    assert fake.paths == [
        "/v1/embeddings",
        f"/openai/deployments/{MODEL}/embeddings?api-version=2024-10-21",
        "/v1/embeddings",
    ]
    openai, azure, compatible = fake.headers
    assert openai["Authorization"] == "Bearer sk-openai"
    assert azure["api-key"] == "key-of-azure"
    assert compatible["Authorization"] == "Bearer key-of-mine"
    assert [call.get("dimensions") for call in fake.calls] == [DIMENSIONS, DIMENSIONS, None]
    assert [call["encoding_format"] for call in fake.calls] == ["base64", "base64", "float"]


def test_a_compatible_server_is_asked_for_dimensions_if_told_to(configure, fake):
    configure("openai_compatible", embedding_send_dimensions=True)
    embed(["a"])
    assert fake.calls[0]["dimensions"] == DIMENSIONS
    assert "sk-openai" not in str(fake.headers[0])


def test_a_variable_for_other_programs_sends_nothing_elsewhere(configure, fake, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "somebody-else")
    for provider in REMOTE:
        configure(provider, openai_api_key=SecretStr("sk-fresh"))
        embed(["a"])
    assert "somebody-else" not in str(fake.headers)


def test_azure_calls_the_deployment_and_keeps_the_models_name(configure, fake):
    configure("azure_openai", embedding_model="text-embedding-3-small", azure_openai_deployment=MODEL)
    assert embed(["a"]) == [pytest.approx(unit_vector_of("a"))]
    assert f"/deployments/{MODEL}/" in fake.paths[0]


def test_a_deployment_is_never_asked_for_another_model(configure, fake):
    configure("azure_openai", azure_openai_deployment=MODEL)
    with pytest.raises(EmbeddingError, match="not of text-embedding-3-large") as caught:
        embed(["a"], fake_provider.identity("azure_openai")._replace(model="text-embedding-3-large"))
    assert caught.value.fault is S
    assert not fake.calls


@pytest.mark.parametrize(
    ("provider", "changes", "missing"),
    [
        ("openai", {"openai_api_key": SecretStr("")}, "OPENAI_API_KEY"),
        ("azure_openai", {"azure_openai_endpoint": ""}, "AZURE_OPENAI_ENDPOINT"),
        ("azure_openai", {"azure_openai_api_key": SecretStr("")}, "AZURE_OPENAI_API_KEY"),
        ("openai_compatible", {"embedding_base_url": ""}, "MEMORY_EMBEDDING_BASE_URL"),
        ("openai_compatible", {"embedding_model": ""}, "MEMORY_EMBEDDING_MODEL"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_called(configure, fake, provider, changes, missing):
    configure(provider, **changes)
    with pytest.raises(EmbeddingError, match=missing) as caught:
        embed(["a"])
    assert caught.value.fault is S
    assert not fake.calls


def test_a_start_calls_nobody_remote(configure, fake):
    configure("openai")
    warm_up()
    configure("openai", openai_api_key=SecretStr(""))
    warm_up()
    assert not fake.calls


@pytest.mark.parametrize("provider", REMOTE)
def test_a_large_batch_takes_several_calls(configure, fake, provider):
    configure(provider)
    texts = [f"text {n}" for n in range(5000)]
    assert embed(texts) == [pytest.approx(unit_vector_of(text)) for text in texts]
    assert [len(call["input"]) for call in fake.calls] == [2048, 2048, 904]


def test_a_call_stays_below_the_tokens_of_a_request(configure, fake):
    configure("openai")
    embed([str(n) + "x" * 23_999 for n in range(1, 10)] * 10)
    sizes = [sum(map(batches.estimated_tokens, call["input"])) for call in fake.calls]
    assert len(sizes) == 3
    assert max(sizes) <= 300_000
    assert sum(len(call["input"]) for call in fake.calls) == 90


@pytest.mark.parametrize("text", ["x" * 65_536, "é" * 40_000, "🧠" * 20_000])
def test_a_text_above_the_limit_is_cut(configure, fake, text):
    configure("openai")
    embed([text])
    [sent] = fake.calls[0]["input"]
    assert text.startswith(sent)
    assert 24_570 <= len(sent.encode()) <= 24_576


def test_a_long_text_that_is_refused_gets_a_try_that_is_certain(configure, fake):
    configure("openai")
    fake.orders = [400]
    embed(["7 " * 20_000])
    assert [len(call["input"][0]) for call in fake.calls] == [24_576, 8_191]


def test_one_refused_text_is_the_texts_fault(configure, fake):
    configure("openai")
    fake.refused = "poison"
    with pytest.raises(EmbeddingError) as caught:
        embed(["poison"])
    assert caught.value.fault is T
    assert [call["input"] for call in fake.calls] == [["poison"], ["hello"], ["poison"]]


@pytest.mark.parametrize("always", [400, "NaN", "zeros"])
def test_a_server_that_refuses_everything_is_a_wrong_set_up(configure, fake, always):
    configure("openai")
    fake.always = always
    with pytest.raises(EmbeddingError, match="every text is refused") as caught:
        embed(["a"])
    assert caught.value.fault is S


def test_a_text_is_not_refused_for_one_bad_answer(configure, fake):
    configure("openai")
    fake.orders = ["NaN"]
    assert embed(["a"]) == [pytest.approx(unit_vector_of("a"))]


def test_a_used_up_quota_needs_a_person(configure, httpserver):
    httpserver.clear()
    httpserver.expect_request("/v1/embeddings").respond_with_json(
        {"error": {"code": "insufficient_quota"}}, 429
    )
    configure("openai")
    with pytest.raises(EmbeddingError) as caught:
        embed(["a"])
    assert caught.value.fault is S


def test_threads_share_a_provider_and_get_their_own_vectors(configure):
    configure("openai", embedding_timeout_seconds=10)
    wrong = []

    def ask(name: int) -> None:
        for n in range(10):
            texts = [f"{name}-{n}-{m}" for m in range(5)]
            if embed(texts) != [pytest.approx(unit_vector_of(text)) for text in texts]:
                wrong.append(texts)

    threads = [threading.Thread(target=ask, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    ("provider", "changes", "missing"),
    [
        ("openai", {}, []),
        ("azure_openai", {"azure_openai_endpoint": ""}, ["AZURE_OPENAI_ENDPOINT"]),
        ("openai", {"embedding_failover": "azure_openai"}, []),
        (
            "openai",
            {"embedding_failover": "azure_openai", "azure_openai_api_key": SecretStr("")},
            ["AZURE_OPENAI_API_KEY"],
        ),
        (
            "openai_compatible",
            {"embedding_base_url": "", "embedding_model": ""},
            ["MEMORY_EMBEDDING_BASE_URL", "MEMORY_EMBEDDING_MODEL"],
        ),
        ("sentence_transformers", {"embedding_model": ""}, ["MEMORY_EMBEDDING_MODEL"]),
    ],
)
def test_the_system_check_names_what_is_missing(configure, provider, changes, missing):
    configure(provider, **changes)
    faults = check_provider()
    assert [fault.id for fault in faults] == ["memories.E001"] * len(missing)
    assert all(f"Set {name} " in fault.hint for fault, name in zip(faults, missing, strict=True))
