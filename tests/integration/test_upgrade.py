"""A filled database of the first version, migrated to today's tables and back."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from psycopg.conninfo import conninfo_to_dict

from memories import tasks
from tests import first_release
from tests.conftest import Api
from tests.databases import fresh_database


@contextmanager
def using(url: str, blocker) -> Iterator[None]:
    """Django in this process works on that database meanwhile."""
    before = connection.settings_dict["NAME"]
    with blocker.unblock():
        connection.close()
        ContentType.objects.clear_cache()
        connection.settings_dict["NAME"] = conninfo_to_dict(url)["dbname"]
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict["NAME"] = before
            ContentType.objects.clear_cache()


@pytest.fixture(scope="module")
def upgraded(django_db_blocker) -> Iterator[tuple[str, Api, dict]]:
    """A database that was filled before the upgrade; the bot's key; what was in it."""
    with fresh_database() as url:
        with using(url, django_db_blocker):
            first_release.migrate("memories", "0002_layout")
            key = first_release.fill(url)
            before = first_release.rows(url)
            first_release.migrate()
        yield url, Api(key.plain), before


def test_it_works(upgraded):
    _, _, before = upgraded
    assert {table: len(rows) for table, rows in before.items()} == {
        "tenants_tenant": 2,
        "tenants_apikey": 1,
        "memories_message": 48,
        "memories_embeddingspace": 1,
        "memories_messageembedding": 46,
        "memories_embeddingjob": 2,
    }


def test_everything_is_there_unchanged(upgraded):
    url, _, before = upgraded
    assert first_release.rows(url) == before


@pytest.mark.parametrize("mode", ["hybrid", "vector", "text"])
def test_everything_is_found(upgraded, django_db_blocker, mode):
    url, bot, _ = upgraded
    with using(url, django_db_blocker):
        tasks.drain()
        for text in first_release.TEXTS[2:]:
            answer = bot.get("/v1/memory/search", query=text, mode=mode, top_k=1)
            assert answer.status_code == 200, answer.content
            assert [hit["content"] for hit in answer.json()["results"]] == [text]


def test_what_waited_is_embedded_and_what_was_refused_stays_so(upgraded, django_db_blocker):
    url, bot, _ = upgraded
    with using(url, django_db_blocker):
        tasks.drain()
        states = {
            message["content"]: message["embedding_status"]
            for message in bot.get("/v1/messages", limit=100).json()["messages"]
        }
    waited, refused, *others = first_release.TEXTS
    assert (states[waited], states[refused]) == ("ready", "failed")
    assert {states[text] for text in others} == {"ready"}


def test_statistics_and_sizes_count_what_was_there(upgraded, django_db_blocker):
    url, _, _ = upgraded
    with using(url, django_db_blocker):
        tasks.drain()
        call_command("recount_terms", check=True, stdout=StringIO())
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT sum(octet_length(content) + octet_length(metadata::text)) FROM memories_message"
            )
            [stored] = cursor.fetchone()
            cursor.execute("SELECT sum(bytes) FROM memories_corpus")
            assert cursor.fetchone() == (stored,)


def test_what_was_sent_before_is_a_replay(upgraded, django_db_blocker):
    url, bot, _ = upgraded
    again = first_release.message(5)
    with using(url, django_db_blocker):
        assert bot.post("/v1/messages", again).headers["Idempotent-Replayed"] == "true"


def test_there_is_a_way_back(upgraded, django_db_blocker):
    """With what came after the upgrade, all that the first version knows; and forth again."""
    url, bot, _ = upgraded
    with using(url, django_db_blocker):
        new = {"conversation_id": "c", "role": "user", "content": "said after the upgrade"}
        assert bot.post("/v1/messages", new).status_code == 201
        tasks.drain()
        before = first_release.rows(url)
        first_release.back_to_first()
        assert first_release.rows(url) == before
        first_release.migrate()
        assert first_release.rows(url) == before
