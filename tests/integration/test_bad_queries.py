"""Query strings, paths and methods that are wrong."""

import base64

import pytest

from tests.answers import problem_of
from tests.factories import remember

SEARCH, LIST = "/v1/memory/search", "/v1/messages"
FILTERS = [
    ("conversation_id", "x" * 256),
    ("conversation_id", ""),
    ("conversation_id", "a\0b"),
    ("user_id", " a"),
    ("agent_id", "a\x1b"),
    ("tenant_id", "a\n"),
    ("role", "robot"),
    ("pinned", "perhaps"),
    ("pinned", ""),
    ("since", "yesterday"),
    ("since", ""),
    ("since", "2026-13-01T00:00:00Z"),
    ("since", "0001-01-01T00:00:00+14:00"),
    ("until", "9999-12-31T23:59:59-14:00"),
    ("until", "x" * 5000),
    ("colour", "red"),
]
SEARCHES = [
    ("query", ""),
    ("query", " \t"),
    ("query", "a\0b"),
    ("query", "é" * 4097),
    ("top_k", "0"),
    ("top_k", "101"),
    ("top_k", "x"),
    ("top_k", "1.5"),
    ("top_k", "9" * 5000),
    ("top_k", ""),
    ("mode", "psychic"),
    ("explain", "perhaps"),
]
CURSOR = base64.urlsafe_b64encode(b"0001-01-01T00:00:00|01932c07-2f1c-7c3e-8f00-000000000001").decode()
LISTS = [
    ("limit", "0"),
    ("limit", "101"),
    ("limit", "ten"),
    ("cursor", ""),
    ("cursor", "x"),
    ("cursor", "é"),
    ("cursor", CURSOR),
    ("cursor", "a\0b"),
]


def ids(value: str) -> str:
    return ascii(value)[:30]


@pytest.mark.parametrize(("name", "value"), FILTERS + SEARCHES, ids=ids)
def test_a_wrong_search_is_refused_and_its_parameter_named(bot, name, value):
    problem_of(bot.get(SEARCH, **{"query": "python", name: value}), 400, field=name)


@pytest.mark.parametrize(("name", "value"), FILTERS + LISTS, ids=ids)
def test_a_wrong_list_is_refused_and_its_parameter_named(bot, name, value):
    problem_of(bot.get(LIST, **{name: value}), 400, field=name)


def test_a_search_without_a_query_is_refused(bot):
    assert problem_of(bot.get(SEARCH), 400, field="query")["errors"][0]["code"] == "required"


def test_a_misspelt_parameter_is_refused_with_the_one_that_was_meant(bot):
    assert (
        "did you mean top_k?" in problem_of(bot.get(SEARCH, query="a", topk=3), 400, field="topk")["detail"]
    )


@pytest.mark.parametrize("pair", [("metadata.", "a"), ("metadata.a", "b\0"), ("metadata.a\0", "b")], ids=ids)
@pytest.mark.parametrize("path", [SEARCH, LIST])
def test_a_wrong_metadata_filter_is_refused(bot, path, pair):
    problem_of(
        bot.get(path, query="a", **dict([pair])) if path == SEARCH else bot.get(path, **dict([pair])),
        400,
        field="metadata",
    )


STRANGE = [
    "'\"\\",
    "a & b | !c <-> (",
    ":*",
    "%s %(x)s",
    "~t1",
    "\ufeff",
    "🧠" * 1000,
    "?" * 8192,
    "\U0010ffff",
    "a\nb",
    "}{",
]


@pytest.mark.parametrize("text", STRANGE, ids=ids)
def test_any_other_text_is_a_query_like_any(bot, acme, text):
    remember(acme, "I love Python")
    for mode in ("hybrid", "vector", "text"):
        assert bot.get(SEARCH, query=text, mode=mode).status_code == 200
    assert bot.get(LIST, **{"metadata." + text[:50]: text[:500]}).json()["messages"] == []


def test_bytes_that_are_no_utf_8_are_text_with_replacements(bot):
    answer = bot.client.get(SEARCH, QUERY_STRING="query=%ff%fe&metadata.%80=%81", HTTP_X_API_KEY=bot.key)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "value", ["1e400", "-", ".", "-.", "--1", "1.", "٣", "9" * 400, "0" * 16, "-.5", "NaN", "null"]
)
def test_a_metadata_value_that_only_looks_like_a_number_is_text(bot, acme, value):
    [message] = remember(acme, "hello", metadata={"k": value})
    [found] = bot.get(LIST, **{"metadata.k": value}).json()["messages"]
    assert found["id"] == str(message.id)


def test_more_parameters_than_allowed_are_refused(bot):
    problem_of(bot.get(LIST, **{f"metadata.k{n}": "v" for n in range(1001)}), 400)


def test_many_metadata_filters_are_answered(bot):
    assert bot.get(LIST, **{f"metadata.k{n}": "1" for n in range(1000)}).status_code == 200


@pytest.mark.parametrize(
    "message_id", ["7", "x", "not-a-uuid", "00000000-0000-0000-0000-00000000000g", "%00", "a/b"]
)
def test_an_id_that_is_no_uuid_is_404(bot, message_id):
    for call in (bot.get, bot.delete):
        problem_of(call(f"/v1/messages/{message_id}"), 404)
    problem_of(bot.patch(f"/v1/messages/{message_id}", {"pinned": True}), 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", LIST),
        ("PATCH", LIST),
        ("DELETE", LIST),
        ("GET", "/v1/messages/batch"),
        ("PUT", "/v1/messages/01932c07-2f1c-7c3e-8f00-000000000001"),
        ("POST", "/v1/messages/01932c07-2f1c-7c3e-8f00-000000000001"),
        ("DELETE", SEARCH),
        ("TRACE", LIST),
        ("NONSENSE", LIST),
    ],
)
def test_a_wrong_method_is_405_and_says_what_is_allowed(bot, method, path):
    answer = bot.client.generic(method, path, HTTP_X_API_KEY=bot.key)
    problem_of(answer, 405)
    assert answer["Allow"]


def test_another_wish_than_json_is_406(bot):
    answer = bot.client.get(LIST, HTTP_ACCEPT="text/html", HTTP_X_API_KEY=bot.key)
    problem_of(answer, 406)
    problem_of(bot.get(LIST, format="xml"), 404)
