"""Errors and logs: one shape, the request's id in it, and nothing of what people say or of our insides."""

import logging
import re

import psycopg
import pytest
from django.db import InterfaceError, OperationalError, connection

from memories import ingest, search
from memory_layer.embedded import postgres
from memory_layer.problems import flatten
from tests.answers import problem_of
from tests.databases import url_of

HELLO = {"conversation_id": "conv-1", "role": "user", "content": "hello"}
MARKER = "xylophone-7391"


def breaks(error: BaseException):
    def use_case(**_):
        raise error

    return use_case


def test_it_works(bot):
    answer = bot.get("/v1/nowhere")
    body = problem_of(answer, 404)
    assert body["title"] == "Not Found"
    assert body["type"] == "urn:ai-memory-layer:problem:not-found"
    assert "/docs" in body["detail"]


@pytest.mark.parametrize("offered", ["abc-123", "x" * 128, "01932c07-2f1c-7c3e-8f00-000000000001", "a/b=c;d"])
def test_the_callers_request_id_is_kept(bot, offered):
    answer = bot.post("/v1/messages", {}, **{"X-Request-ID": offered})
    assert answer["X-Request-ID"] == problem_of(answer, 400)["request_id"] == offered


@pytest.mark.parametrize("offered", [None, "", "x" * 129, "a b", "a\nb", "a\x1b[31m", "é"], ids=ascii)
def test_an_unusable_request_id_is_replaced(bot, offered):
    headers = {} if offered is None else {"X-Request-ID": offered}
    answer = bot.post("/v1/messages", HELLO, **headers)
    assert re.fullmatch("[0-9a-f]{32}", answer["X-Request-ID"])


def test_every_answer_has_its_own_request_id(bot):
    answers = [bot.get(path) for path in ("/v1/messages", "/health/live", "/docs", "/nowhere", "/admin/")]
    assert len({answer["X-Request-ID"] for answer in answers}) == 5


def test_a_bad_host_is_a_problem(bot):
    problem_of(bot.client.get("/v1/messages", HTTP_HOST="evil.example", HTTP_X_API_KEY=bot.key), 400)


def test_a_conflict_is_a_problem(bot):
    bot.post("/v1/messages", HELLO | {"external_id": "1"})
    body = problem_of(bot.post("/v1/messages", HELLO | {"external_id": "1", "content": "other"}), 409)
    assert body["type"].endswith(":conflict")


def test_an_unexpected_error_says_nothing_but_the_request_id(bot, monkeypatch, caplog):
    monkeypatch.setattr(search, "search", breaks(RuntimeError(f"row is {MARKER}")))
    answer = bot.get("/v1/memory/search", query=MARKER)
    body = problem_of(answer, 500)
    assert not re.search(f"{MARKER}|RuntimeError|Traceback|line ", answer.content.decode())
    [line] = [each.msg for each in caplog.records if each.name == "memory_layer.problems"]
    assert line["event"] == "unexpected_error"
    assert line["error"] == "RuntimeError"
    assert line["request_id"] == body["request_id"]
    assert "use_case" in line["trace"][-1]
    assert MARKER not in caplog.text


@pytest.mark.parametrize("error", [OperationalError(MARKER), InterfaceError(MARKER)], ids=repr)
def test_a_database_that_is_away_is_503_with_a_time_to_try_again(bot, monkeypatch, caplog, error):
    monkeypatch.setattr(ingest, "store", breaks(error))
    answer = bot.post("/v1/messages", HELLO)
    assert "try again" in problem_of(answer, 503)["detail"]
    assert int(answer["Retry-After"]) > 0
    assert MARKER not in caplog.text + answer.content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_is_lost_at_the_last_moment_is_503_too(bot, monkeypatch):
    """When the search is done, and only its transaction has to be ended."""
    with_messages = search._with_messages

    def then_cut(*args):
        found = with_messages(*args)
        pid = connection.connection.info.backend_pid
        with psycopg.connect(url_of(connection.settings_dict["NAME"], user=postgres.SUPERUSER)) as server:
            server.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
        return found

    monkeypatch.setattr(search, "_with_messages", then_cut)
    problem_of(bot.get("/v1/memory/search", query="tea"), 503)
    connection.close()


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ({"a": ["x"]}, [("a", "x")]),
        ({"a": {"b": ["x", "y"]}}, [("a.b", "x"), ("a.b", "y")]),
        ({"messages": {3: {"content": ["x"]}}}, [("messages[3].content", "x")]),
        ({"messages": {3: {"non_field_errors": ["x"]}}}, [("messages[3]", "x")]),
        ({"non_field_errors": ["x"]}, [("", "x")]),
        (["x"], [("", "x")]),
        ({"a\ud800": ["\udfff"]}, [("a\\ud800", "\\udfff")]),
    ],
    ids=ascii,
)
def test_errors_are_named_by_the_way_to_their_field(detail, expected):
    assert [(row["field"], row["message"]) for row in flatten(detail)] == expected


def test_logs_tell_the_request_and_nothing_that_was_said_or_secret(bot, caplog):
    caplog.set_level(logging.DEBUG)
    conversation = f"conv-{MARKER}"
    body = HELLO | {
        "content": MARKER,
        "conversation_id": conversation,
        "metadata": {"a": MARKER},
        "name": MARKER,
    }
    stored = bot.post("/v1/messages", body, **{"X-Request-ID": "say-this"}).json()
    bot.get("/v1/memory/search", query=MARKER, **{f"metadata.{MARKER}": MARKER})
    bot.get("/v1/messages", conversation_id=conversation)
    bot.patch(f"/v1/messages/{stored['id']}", {"content": f"{MARKER} edited"})
    bot.post("/v1/messages", body | {"role": MARKER, MARKER: 1})
    bot.get(f"/v1/{MARKER}")
    bot.client.get("/v1/messages", HTTP_AUTHORIZATION=f"Bearer {bot.key[:-1]}", HTTP_HOST="testserver")
    ours = [record for record in caplog.records if not record.name.startswith("django.db")]
    text = "\n".join(f"{record.name} {record.getMessage()}" for record in ours)
    assert MARKER not in text
    assert bot.key[:-1] not in text
    assert "say-this" in text
    assert "/v1/messages/<uuid:message_id>" in text


def test_a_request_is_one_line_with_stable_keys(bot, caplog):
    caplog.set_level(logging.DEBUG)
    bot.get("/v1/messages", limit=3)
    [line] = [record.msg for record in caplog.records if record.name == "memory_layer.request"]
    expected = {"method": "GET", "route": "/v1/messages", "status": 200, "event": "request", "level": "info"}
    assert expected.items() <= line.items()
    assert {"request_id", "milliseconds", "timestamp", "logger"} <= line.keys()


@pytest.mark.parametrize(
    ("path", "level"), [("/health/live", "debug"), ("/v1/messages", "info"), ("/no", "info")]
)
def test_health_probes_are_quiet(bot, caplog, path, level):
    caplog.set_level(logging.DEBUG)
    bot.get(path)
    [line] = [record.msg for record in caplog.records if record.name == "memory_layer.request"]
    assert line["level"] == level
