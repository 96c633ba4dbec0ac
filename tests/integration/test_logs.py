"""What is logged, and what never is: texts, questions, keys, vectors, whoever raised or logged what with them in it."""

import logging
import time

import pytest
from django.db import DataError, connection

from memories import jobs, outbox, search, tasks
from memories.models import EmbeddingJob
from tests.factories import remember
from tests.fake_provider import FakeProvider
from tests.log_lines import handler_of, lines_of
from tests.tracing import worker

MARK = "xylophone-7391"
SAID = {"conversation_id": MARK, "user_id": MARK, "role": "user", "content": f"I play the {MARK}"}


@pytest.fixture
def remote(settings, httpserver) -> FakeProvider:
    provider = FakeProvider(httpserver)
    settings.ENV = settings.ENV.model_copy(update=provider.settings())
    return provider


@pytest.fixture
def said():
    """said(): the lines since the last call, each read as JSON; none of them with the mark."""
    handler = handler_of("json")
    logging.getLogger().addHandler(handler)

    read_to = 0

    def read() -> list[dict]:
        nonlocal read_to
        whole, _, _ = handler.stream.getvalue().rpartition("\n")  # a worker's thread may be writing
        text, read_to = whole[read_to:], len(whole)
        assert "xylophone" not in text
        return [line for line in lines_of(text) if line["logger"] != "werkzeug"]

    yield read
    logging.getLogger().removeHandler(handler)


def test_a_request_says_who_asked_what_and_how_it_went(bot, acme, said):
    answer = bot.get("/v1/memory/search", query=MARK)
    [line] = said()
    assert line.pop("milliseconds") > 0
    assert line.pop("timestamp")
    assert line == {
        "event": "request",
        "level": "info",
        "logger": "memory_layer.request",
        "method": "GET",
        "route": "/v1/memory/search",
        "status": 200,
        "request_id": answer["X-Request-ID"],
        "tenant": acme.id,
        "key": bot.key.split("_")[1],
    }


def test_the_next_request_in_the_thread_is_not_taken_for_the_last_one(bot, stranger, said):
    bot.get("/v1/memory/search", query=MARK)
    stranger.get("/v1/messages")
    line = said()[-1]
    assert line["status"] == 401
    assert not {"tenant", "key"} & line.keys()


def test_an_error_of_the_database_is_logged_without_the_row(bot, acme, said, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s::int", [MARK])

    monkeypatch.setattr(outbox, "insert", fail)
    assert bot.post("/v1/messages", SAID).status_code == 500
    error, request = said()
    assert (error["event"], error["error"]) == ("unexpected_error", "DataError")
    assert any("ingest.py" in frame for frame in error["trace"])
    assert error["request_id"] == request["request_id"]
    assert (request["level"], request["tenant"]) == ("error", acme.id)


@pytest.mark.parametrize("order", [400, 401, 429, 500, "html", "no data", "too few dimensions"])
def test_a_provider_s_failure_names_jobs_and_tenants_and_no_text(acme, bot, remote, said, order):
    remote.always = order
    remember(acme, MARK)
    tasks.drain()
    bot.get("/v1/memory/search", query=MARK)
    lines = {line["event"]: line for line in said()}
    assert lines["embedding_failed"]["job_ids"] == [EmbeddingJob.objects.get().id]
    assert lines["embedding_failed"]["tenants"] == [acme.id]
    assert lines["search_degraded"]["tenant"] == acme.id


def test_a_task_says_which_request_caused_it(transactional_db, bot, said, monkeypatch):
    with worker(monkeypatch):
        answer = bot.post("/v1/messages", SAID)
        line = task_line(said)
    assert line["task"] == "memories.tasks.embed_pending"
    assert (line["request_id"], line["outcome"]) == (answer["X-Request-ID"], "success")
    assert line["milliseconds"] > 0
    assert line["task_id"]


def test_a_task_that_fails_says_where_and_not_with_what(transactional_db, bot, said, monkeypatch):
    def fail() -> int:
        raise DataError(MARK)

    monkeypatch.setattr(jobs, "run_batch", fail)
    with worker(monkeypatch):
        bot.post("/v1/messages", SAID)
        line = task_line(said)
    assert (line["outcome"], line["error"], line["level"]) == ("failure", "DataError", "error")
    assert any("tasks.py" in frame for frame in line["trace"])


def task_line(said) -> dict:
    until = time.monotonic() + 20
    while True:
        found = [line for line in said() if line["event"] == "task"]
        if found:
            return found[0]
        assert time.monotonic() < until, "no task ended"
        time.sleep(0.1)


@pytest.mark.parametrize("output", ["json", "console"])
def test_an_exception_is_its_kind_and_its_way_whoever_logs_it(output):
    handler = handler_of(output)
    try:
        raise ValueError(MARK)
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("elsewhere", logging.ERROR, __file__, 1, "it broke", (), info)
    text = handler.format(record)
    assert "ValueError" in text
    assert "test_logs.py" in text
    assert "it broke" in text
    assert "xylophone" not in text


def test_a_500_in_the_search_says_where(bot, said, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(MARK)

    monkeypatch.setattr(search.candidates, "gather", fail)
    assert bot.get("/v1/memory/search", query=MARK).status_code == 500
    assert said()[0]["error"] == "RuntimeError"
