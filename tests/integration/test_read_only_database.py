"""A database that takes no writes for a while, as a standby does: writes are told to come again, reads go on."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.db import InternalError, close_old_connections, connection
from django.urls import reverse
from psycopg import sql

from memories import tasks
from memory_layer.embedded import postgres
from tenants import remembered
from tenants.models import ApiKey
from tests.answers import problem_of
from tests.databases import url_of
from tests.fake_provider import FakeProvider

pytestmark = pytest.mark.django_db(transaction=True)

PATH, SEARCH = "/v1/messages", "/v1/memory/search"
HELLO = {"conversation_id": "conv-1", "role": "user", "content": "hello"}


@contextmanager
def read_only() -> Iterator[None]:
    """New sessions take no writes; afterwards new ones do again, and those that were opened meanwhile still do not."""
    name = connection.settings_dict["NAME"]
    url = url_of(name, user=postgres.SUPERUSER)
    with psycopg.connect(url, autocommit=True, options="-c default_transaction_read_only=off") as server:
        alter = sql.SQL("ALTER DATABASE {} {} default_transaction_read_only")
        server.execute(alter.format(sql.Identifier(name), sql.SQL("SET")) + sql.SQL(" = on"))
        connection.close()
        try:
            yield
        finally:
            server.execute(alter.format(sql.Identifier(name), sql.SQL("RESET")))
    close_old_connections()  # as before and after each request, but not those of a test


def test_a_write_is_told_to_come_again_and_nothing_is_lost(bot):
    stored = bot.post(PATH, HELLO).json()["id"]
    with read_only():
        for answer in (
            bot.post(PATH, HELLO),
            bot.post(PATH, HELLO, **{"Idempotency-Key": "one"}),
            bot.patch(f"{PATH}/{stored}", {"content": "another"}),
            bot.delete(f"{PATH}/{stored}"),
        ):
            assert "takes no writes" in problem_of(answer, 503)["detail"]
            assert int(answer["Retry-After"]) > 0
    assert bot.post(PATH, HELLO, **{"Idempotency-Key": "one"}).status_code == 201
    assert [each["content"] for each in bot.get(PATH).json()["messages"]] == ["hello"] * 2


def test_reads_are_answered_although_they_are_not_written_down(bot, settings, httpserver):
    """When a key was used, and what a search has paid its provider."""
    settings.ENV = settings.ENV.model_copy(update=FakeProvider(httpserver).settings())
    bot.post(PATH, HELLO)
    ApiKey.objects.update(last_used_at=None)
    remembered.forget()
    with read_only():
        assert len(bot.get(PATH).json()["messages"]) == 1
        answer = bot.get(SEARCH, query="hello").json()
        assert (len(answer["results"]), answer["degraded"]) == (1, False)
    assert ApiKey.objects.get().last_used_at is None


def test_a_page_that_would_write_says_503_too(bot, root):
    stored = bot.post(PATH, HELLO).json()["id"]
    root.raise_request_exception = False
    page = reverse("admin:memories_message_change", args=[stored])
    with read_only():
        answer = root.post(page, {"content": "another", "metadata": "{}", "importance": "0.5"})
        assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert bot.get(f"{PATH}/{stored}").json()["content"] == "hello"


def test_the_worker_goes_on_afterwards(bot):
    stored = bot.post(PATH, HELLO).json()["id"]
    with read_only(), pytest.raises(InternalError):
        tasks.drain()
    connection.close()  # as Celery does after each task
    assert tasks.drain() == 1
    assert bot.get(f"{PATH}/{stored}").json()["embedding_status"] == "ready"
