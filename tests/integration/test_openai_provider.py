"""The provider openai against a local server that speaks its API, and misbehaves on order."""

import json

import pytest
from werkzeug import Request, Response

from memories.embeddings import EmbeddingError, Fault, checked
from memories.embeddings.base import ProviderConfig
from memories.embeddings.openai import OpenAIProvider


@pytest.fixture
def provider(httpserver):
    config = ProviderConfig(
        model="text-embedding-3-small",
        dimensions=4,
        base_url=httpserver.url_for("/v1"),
        api_key="sk-not-a-real-key",
        timeout_seconds=0.5,
    )
    return OpenAIProvider(config)


def rows(count: int, dimensions: int = 4) -> list[dict]:
    return [
        {"object": "embedding", "index": n, "embedding": [float(n + 1)] * dimensions} for n in range(count)
    ]


def answer(data) -> str:
    return json.dumps(
        {"object": "list", "model": "m", "data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}}
    )


def test_it_works(provider, httpserver):
    seen = []

    def embeddings(request: Request) -> Response:
        seen.append(request.get_json())
        return Response(answer(list(reversed(rows(3)))), content_type="application/json")

    httpserver.expect_request("/v1/embeddings").respond_with_handler(embeddings)
    assert provider.embed(["a", "b", "c"]) == [[1.0] * 4, [2.0] * 4, [3.0] * 4]
    assert seen[0]["input"] == ["a", "b", "c"]
    assert (seen[0]["dimensions"], seen[0]["encoding_format"]) == (4, "base64")


@pytest.mark.parametrize(
    ("status", "headers", "fault", "retry_after"),
    [
        (429, {"Retry-After": "7"}, Fault.PROVIDER, 7),
        (500, {}, Fault.PROVIDER, 0),
        (503, {"Retry-After": "3600"}, Fault.PROVIDER, 3600),
        (400, {}, Fault.TEXT, 0),
        (401, {}, Fault.SETUP, 0),
        (404, {}, Fault.SETUP, 0),
    ],
)
def test_a_refusal_says_whether_retrying_helps(provider, httpserver, status, headers, fault, retry_after):
    httpserver.expect_request("/v1/embeddings").respond_with_data("{}", status=status, headers=headers)
    with pytest.raises(EmbeddingError) as caught:
        provider.embed(["secret text"])
    assert (caught.value.fault, caught.value.retry_after_seconds) == (fault, retry_after)
    assert "secret" not in str(caught.value)
    assert len(httpserver.log) == 1


@pytest.mark.parametrize(
    "body",
    ["<html>a proxy</html>", "{}", answer([]), answer(rows(1)), answer(rows(3)), answer([rows(2)[1]] * 2)],
)
def test_an_answer_that_is_none_is_the_providers_fault(provider, httpserver, body):
    kind = "text/html" if body.startswith("<") else "application/json"
    httpserver.expect_request("/v1/embeddings").respond_with_data(body, content_type=kind)
    with pytest.raises(EmbeddingError) as caught:
        provider.embed(["a", "b"])
    assert caught.value.fault is Fault.PROVIDER


def test_a_hanging_server_is_given_up(provider, httpserver):
    import threading

    release = threading.Event()
    httpserver.expect_request("/v1/embeddings").respond_with_handler(
        lambda _: release.wait(5) and Response("{}")
    )
    with pytest.raises(EmbeddingError) as caught:
        provider.embed(["a"])
    release.set()
    assert caught.value.fault is Fault.PROVIDER


@pytest.mark.parametrize(
    ("vectors", "fault"),
    [
        ([[1.0, 0.0]], Fault.PROVIDER),
        ([[1.0, 0.0], [1.0, 0.0, 0.0]], Fault.SETUP),
        ([[1.0, 0.0], [float("nan"), 0.0]], Fault.TEXT),
        ([[1.0, 0.0], [float("inf"), 0.0]], Fault.TEXT),
        ([[1.0, 0.0], [0.0, 0.0]], Fault.TEXT),
    ],
)
def test_wrong_vectors_are_refused(vectors, fault):
    with pytest.raises(EmbeddingError) as caught:
        checked(vectors, count=2, dimensions=2)
    assert caught.value.fault is fault


def test_right_vectors_get_length_1():
    assert checked([[3.0, 4.0]], count=1, dimensions=2) == [[0.6, 0.8]]


def test_without_a_key_nothing_is_tried():
    config = ProviderConfig(model="m", dimensions=4, base_url="", api_key="", timeout_seconds=1)
    with pytest.raises(EmbeddingError, match="OPENAI_API_KEY"):
        OpenAIProvider(config)
