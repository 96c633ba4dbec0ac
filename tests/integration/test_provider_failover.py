"""MEMORY_EMBEDDING_FAILOVER: a second provider of the same model stands in for the first."""

import pytest
from prometheus_client import REGISTRY
from pydantic import SecretStr

from memories.embeddings import EmbeddingError, Fault, breaker, embed
from memory_layer import health
from tests.fake_provider import FakeProvider, identity, unit_vector_of

OPENAI, AZURE = identity("openai"), identity("azure_openai")


@pytest.fixture
def fake(httpserver):
    return FakeProvider(httpserver)


@pytest.fixture(autouse=True)
def configure(settings, fake):
    """openai, with azure_openai to stand in, both played by the fake."""

    def change(**changes):
        update = fake.settings("openai", embedding_failover="azure_openai") | changes
        settings.ENV = settings.ENV.model_copy(update=update)

    change()
    return change


def failovers() -> float:
    labels = [{"provider": "openai", "fault": fault} for fault in ("provider", "setup")]
    return sum(REGISTRY.get_sample_value("memory_embedding_failovers_total", label) or 0 for label in labels)


def fail() -> EmbeddingError:
    with pytest.raises(EmbeddingError) as caught:
        embed(["a"])
    return caught.value


def both(fake: FakeProvider) -> tuple[int, int]:
    """How often openai and azure_openai were called."""
    return (
        sum(path.startswith("/v1") for path in fake.paths),
        sum(path.startswith("/openai") for path in fake.paths),
    )


@pytest.mark.parametrize("order", [500, 401, "html", "reset"])
def test_the_second_provider_stands_in(fake, order):
    before = failovers()
    fake.orders = [order]
    assert embed(["a"]) == [pytest.approx(unit_vector_of("a"))]
    assert both(fake) == (1, 1)
    assert failovers() == before + 1


def test_while_the_first_is_open_only_the_second_is_called(fake, db):
    fake.orders = [401]
    for _ in range(4):
        assert embed(["a"]) == [pytest.approx(unit_vector_of("a"))]
    assert both(fake) == (1, 4)
    assert [breaker.state(each).state for each in (OPENAI, AZURE)] == ["open", "closed"]
    rows = health._provider()["breaker"]
    assert [(row["provider"], row["state"]) for row in rows] == [
        ("openai", "open"),
        ("azure_openai", "closed"),
    ]


def test_with_both_down_the_first_ones_error_is_told_with_the_longer_wait(fake):
    fake.orders = [(500, {}), (429, {"Retry-After": "9"})]
    error = fail()
    assert (str(error), error.retry_after_seconds) == ("InternalServerError (HTTP 500)", 9)


def test_a_refused_text_is_not_asked_of_the_second(fake):
    fake.refused = "poison"
    with pytest.raises(EmbeddingError):
        embed(["poison"])
    assert both(fake)[1] == 0


def test_an_older_spaces_model_has_no_stand_in(fake):
    fake.orders = [500]
    with pytest.raises(EmbeddingError):
        embed(["a"], OPENAI._replace(model="an-older-one"))
    assert both(fake) == (1, 0)


def test_a_stand_in_without_its_key_leaves_the_first_ones_error(configure, fake):
    configure(azure_openai_api_key=SecretStr(""))
    fake.orders = [500]
    assert fail().fault is Fault.PROVIDER
