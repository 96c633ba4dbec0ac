"""A text that went in through every door, was embedded, searched and cached, and is then nowhere."""

import json
from io import StringIO

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection

from memories import caching, lexicon, recalls, tasks
from memories.models import Message
from retention import erasure
from retention.tasks import renew_samples
from tenants.lifecycle import create_key
from tests.conftest import Api
from tests.everywhere import in_database, in_redis
from tests.factories import remember
from tests.integration.test_archive import archive_all

pytestmark = pytest.mark.django_db(transaction=True)  # only a commit makes answers stale

WORD, PERSON, CHAT = "xylophonist7391", "person-5512", "chat-9934"
MARKS = (WORD, PERSON, CHAT)


@pytest.fixture(autouse=True)
def cached(settings, monkeypatch) -> None:
    settings.ENV = settings.ENV.model_copy(update={"search_cache_seconds": 60})
    monkeypatch.setattr(erasure, "REMEMBERED_SECONDS", 0.0)


@pytest.fixture
def keeper(acme) -> Api:
    """Acme's own administrator."""
    return Api(create_key(tenant=acme, scopes=["read", "write", "admin"])[1])


def said(text: str) -> dict:
    return {
        "conversation_id": CHAT,
        "user_id": PERSON,
        "role": "user",
        "name": f"Ann {WORD}",
        "content": f"{text} {WORD}",
        "external_id": f"{text}-{WORD}",
        "metadata": {"secret": WORD},
    }


@pytest.fixture
def spread(keeper, acme, root, tmp_path):
    """By POST, batch, PATCH, import, the admin and the archive; embedded, edited again, searched twice, analysed."""
    long = said("long") | {"content": f"{'many words ' * 2000} {WORD}"}
    batch = {"messages": [said("batch one"), said("batch two"), long]}
    assert keeper.post("/v1/messages", said("posted")).status_code == 201
    assert keeper.post("/v1/messages/batch", batch).status_code == 201
    [plain] = remember(acme, "plain", user_id=PERSON, conversation=CHAT)
    tasks.drain()
    keeper.patch(f"/v1/messages/{plain.id}", {"content": f"edited {WORD}", "metadata": {"x": WORD}})
    path = tmp_path / "messages.jsonl"
    path.write_text(json.dumps(said("imported")), encoding="utf-8")
    call_command("import_messages", str(path), "--tenant", "acme", stdout=StringIO())
    form = {"metadata": json.dumps({"by": f"admin {WORD}"}), "importance": "0.7"}
    assert root.post(f"/admin/memories/message/{plain.id}/change/", form).status_code == 302
    archive_all(acme, *remember(acme, f"archived {WORD}", user_id=PERSON, conversation=CHAT))
    archive_all(acme, *remember(acme, f"deleted {WORD}", user_id=PERSON, conversation=CHAT), deleted=True)
    remember(acme, "somebody else plays the piano", user_id="bob", conversation="other")
    tasks.drain()
    for _ in range(2):
        assert WORD in keeper.get("/v1/memory/search", query=f"who is {WORD}?").content.decode()
    remember(acme, f"waits {WORD}", user_id=PERSON, conversation=CHAT)
    keeper.get("/v1/memory/search", query="who plays?")
    recalls.bring()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def found() -> list[str]:
    """Where it still is once beat has been by."""
    renew_samples()
    connection.ensure_connection()
    return in_database(connection.connection, MARKS) + in_redis(cache._cache.get_client(), MARKS)


def test_it_is_everywhere_before(spread):
    places = found()
    for place in (
        "memories_message",
        "memories_archivedmessage",
        "memories_termstatistic",
        "django_admin_log",
    ):
        assert f"public.{place}" in places
    assert "samples of memories_message.content" in places
    assert any("answer:" in place for place in places)


def test_after_the_user_was_erased_it_is_nowhere(keeper, spread, caplog, capfd):
    redis = cache._cache.get_client()
    ids = [str(each) for each in Message.objects.filter(user_id=PERSON).values_list("id", flat=True)]
    assert [key.rpartition(":")[2] for key in in_redis(redis, ids) if "answer:" not in key] == ["recalls"]
    assert keeper.delete(f"/v1/users/{PERSON}").json()["verified"] is True
    assert found() == in_redis(redis, ids) == []
    assert not any(mark in text for mark in MARKS for text in (caplog.text, *capfd.readouterr()))
    assert keeper.get("/v1/memory/search", query="piano").json()["results"][0]["user_id"] == "bob"


def test_tables_are_sampled_anew_only_after_an_erasure(keeper, spread):
    assert renew_samples() == 0
    keeper.delete("/v1/users/nobody")
    assert renew_samples() == 13
    age_receipts = "UPDATE retention_erasurereceipt SET finished_at = finished_at - interval '2 minutes'"
    with connection.cursor() as cursor:
        cursor.execute(age_receipts)
    assert renew_samples() == 0


def test_after_the_conversation_was_erased_it_is_nowhere(keeper, spread):
    assert keeper.delete(f"/v1/conversations/{CHAT}").json()["verified"] is True
    assert found() == []


def test_after_the_tenant_was_erased_it_is_nowhere(acme, spread):
    assert erasure.erase_tenant(tenant=acme, requested_by="test").verified
    assert found() == []


def test_an_answer_that_the_erasure_overtook_is_not_kept(keeper, spread, monkeypatch):
    """The search has read the database when the erasure begins, and ends after it."""
    late = []
    keep_answer = caching.keep_answer
    monkeypatch.setattr(caching, "keep_answer", lambda **answer: late.append(answer))
    assert WORD in keeper.get("/v1/memory/search", query=f"once more {WORD}").content.decode()
    monkeypatch.undo()
    keeper.delete(f"/v1/users/{PERSON}")
    [answer] = late
    keep_answer(**answer)
    assert found() == []


def test_what_a_killed_erasure_has_not_come_to_is_done_by_the_next(keeper, acme, spread, monkeypatch):
    """Killed when the rows were gone: the next one finds none, and does the rest all the same."""

    def killed() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(lexicon, "fold_up_to_now", killed)
    with pytest.raises(KeyboardInterrupt):
        erasure.erase_user(tenant=acme, user_id=PERSON, requested_by="test")
    monkeypatch.undo()
    assert keeper.delete(f"/v1/users/{PERSON}").json()["verified"] is True
    assert found() == []
