"""The body of a search is made by hand: it must be what the serializer, and so the OpenAPI document, says."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from jsonschema import Draft202012Validator

from memories import tasks
from memories.search_serializers import SearchOut
from tests.factories import remember

SEARCH = "/v1/memory/search"
FULL = {
    "name": "Ann",
    "user_id": "u-1",
    "agent_id": "a-1",
    "metadata": {"topic": "tea", "levels": [1, None, {"x": 1.5}]},
    "created_at": datetime(2024, 5, 1, 12, 30, tzinfo=timezone(timedelta(hours=2))),
}


@pytest.fixture(params=["false", "true"])
def body(request, bot, acme):
    """Hits with every field and with none of the optional ones, ready and pending; with and without explain."""
    remember(acme, "Ann likes green tea", external_id="e-1", **FULL)
    remember(acme, "black tea")
    tasks.drain()
    remember(acme, "tea without a vector yet", created_at=datetime(2024, 5, 1, tzinfo=UTC))
    answer = bot.get(SEARCH, query="what tea does Ann like", explain=request.param)
    assert answer["Content-Type"] == "application/json"
    assert len(answer.json()["results"]) == 3
    return answer.json()


def test_it_is_what_the_serializer_says_key_by_key_and_in_its_order(body):
    said = SearchOut(body).data
    assert said == body
    assert [list(hit) for hit in said["results"]] == [list(hit) for hit in body["results"]]


def test_it_is_what_the_openapi_document_says(body, stranger):
    document = stranger.get("/openapi.json").json()
    said = document["paths"][SEARCH]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    validator = Draft202012Validator({**said, "components": document["components"]})
    validator.validate(body)
    wrong = {**body, "results": [{**body["results"][0], "score": "high"}]}
    assert not validator.is_valid(wrong), "the check must be able to fail"


def test_values_are_what_was_stored(bot, acme):
    [message] = remember(acme, "Ann likes green tea", external_id="e-1", **FULL)
    [hit] = bot.get(SEARCH, query="tea").json()["results"]
    assert {name: hit[name] for name in ("name", "user_id", "agent_id", "metadata", "external_id", "id")} == {
        **{name: FULL[name] for name in ("name", "user_id", "agent_id", "metadata")},
        "external_id": "e-1",
        "id": str(message.id),
    }
    assert hit["created_at"] == "2024-05-01T10:30:00Z"
    [bare] = [hit for hit in search_after(bot, acme) if hit["content"] == "bare"]
    assert [bare[name] for name in ("name", "user_id", "agent_id", "external_id")] == [None] * 4
    assert bare["metadata"] == {}


def search_after(bot, acme):
    remember(acme, "bare")
    return bot.get(SEARCH, query="bare").json()["results"]
