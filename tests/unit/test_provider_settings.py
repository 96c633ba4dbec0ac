"""The settings of embedding providers: what each needs, and which pairs may stand in for each other."""

import pytest

from memory_layer import env

FAILOVER = "MEMORY_EMBEDDING_FAILOVER"


def load(provider: str, failover: str = "", **more: str) -> env.Env:
    return env.load({"MEMORY_EMBEDDING_PROVIDER": provider, FAILOVER: failover} | more)


def refusal(provider: str, failover: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        load(provider, failover)
    return str(stopped.value)


@pytest.mark.parametrize(
    ("provider", "failover"),
    [
        ("openai", "azure_openai"),
        ("azure_openai", "openai"),
        ("azure_openai", "openai_compatible"),
        ("openai_compatible", "azure_openai"),
        ("openai", ""),
        ("local", ""),
    ],
)
def test_it_works(provider, failover):
    assert load(provider, failover).embedding_failover == failover


@pytest.mark.parametrize("provider", ["openai", "azure_openai", "openai_compatible"])
def test_a_provider_does_not_stand_in_for_itself(provider):
    assert f"{FAILOVER} must name another provider" in refusal(provider, provider)


@pytest.mark.parametrize("failover", ["local", "mock", "sentence_transformers", "opnai"])
def test_another_model_does_not_stand_in(failover):
    assert f"  - {FAILOVER}: " in refusal("openai", failover)


@pytest.mark.parametrize("provider", ["local", "mock", "sentence_transformers"])
def test_a_provider_in_this_process_has_no_stand_in(provider):
    assert f"nobody else has {provider}'s model" in refusal(provider, "openai")


@pytest.mark.parametrize("pair", [("openai", "openai_compatible"), ("openai_compatible", "openai")])
def test_the_same_server_does_not_stand_in(pair):
    assert "would both ask MEMORY_EMBEDDING_BASE_URL" in refusal(*pair)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MEMORY_EMBEDDING_BASE_URL", "localhost:11434/v1"),
        ("AZURE_OPENAI_ENDPOINT", "my-resource.openai.azure.com"),
        ("MEMORY_EMBEDDING_SEND_DIMENSIONS", "perhaps"),
        ("MEMORY_EMBEDDING_BREAKER_FAILURES", "0"),
        ("MEMORY_EMBEDDING_BREAKER_SECONDS", "0.5"),
        ("MEMORY_EMBEDDING_BREAKER_SECONDS", "nan"),
    ],
)
def test_a_wrong_value_names_its_variable(variable, value):
    with pytest.raises(SystemExit) as stopped:
        env.load({variable: value})
    assert f"  - {variable}: " in str(stopped.value)


def test_keys_are_not_in_a_repr():
    loaded = load("openai", AZURE_OPENAI_API_KEY="a-secret", MEMORY_EMBEDDING_API_KEY="a-secret")
    assert "a-secret" not in repr(loaded)
