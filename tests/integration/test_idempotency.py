"""Idempotency-Key: sent again, a request is answered as the first time and does nothing."""

import json
import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from prometheus_client import REGISTRY

from memories import ingest
from memories.models import EmbeddingJob, EmbeddingSpace, Message
from memory_layer.celery import app
from tenants import idempotency, tasks
from tenants.models import IdempotencyRecord, Tenant
from tests.answers import problem_of
from tests.at_once import at_once
from tests.conftest import Api
from tests.integration.test_archive import archive_all

PATH, BATCH = "/v1/messages", "/v1/messages/batch"
SECRET = "xylophone"
HELLO = {"conversation_id": f"conv-{SECRET}", "role": "user", "content": f"my {SECRET}"}
KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


def replays() -> float:
    return REGISTRY.get_sample_value("memory_idempotent_replays_total") or 0.0


def is_replay(first, again) -> bool:
    assert again.status_code == first.status_code == 201
    assert again.json() == first.json()
    assert "Idempotent-Replayed" not in first
    return again["Idempotent-Replayed"] == "true"


def test_it_works(bot):
    before = replays()
    first, again = (bot.post(PATH, HELLO, **KEY) for _ in range(2))
    assert is_replay(first, again)
    assert Message.objects.count() == EmbeddingJob.objects.count() == 1
    assert bot.post(PATH, HELLO).json()["id"] != first.json()["id"]
    assert replays() == before + 1


def test_a_batch_as_well(bot):
    rows = {"messages": [HELLO, HELLO | {"external_id": "two", "importance": 0.5}]}
    first, again = (bot.post(BATCH, rows, **KEY) for _ in range(2))
    assert is_replay(first, again)
    assert [row["external_id"] for row in again.json()["messages"]] == [None, "two"]
    assert Message.objects.count() == 2


def test_what_the_message_has_become_does_not_matter(bot):
    first = bot.post(PATH, HELLO, **KEY)
    message_id = first.json()["id"]
    bot.patch(f"{PATH}/{message_id}", {"importance": 1.0})
    assert is_replay(first, bot.post(PATH, HELLO, **KEY))
    bot.delete(f"{PATH}/{message_id}")
    assert is_replay(first, bot.post(PATH, HELLO, **KEY))
    assert not Message.objects.exists()


def test_the_same_said_in_another_order_is_the_same(bot):
    first = bot.post(PATH, json.dumps(HELLO), **KEY)
    again = bot.post(PATH, json.dumps(dict(reversed(HELLO.items())), indent=2), **KEY)
    assert is_replay(first, again)


@pytest.mark.parametrize(
    ("path", "body"),
    [(PATH, HELLO | {"content": "other"}), (BATCH, {"messages": [HELLO]}), (f"{PATH}?x=1", HELLO)],
    ids=["body", "path", "query"],
)
def test_another_request_with_the_key_is_refused(bot, path, body):
    bot.post(PATH, HELLO, **KEY)
    said = problem_of(bot.post(path, body, **KEY), 422)
    assert said["type"].endswith("idempotency-key-reused")
    assert Message.objects.count() == 1


def test_another_tenants_same_key_is_another_key(bot, outsider, operator, acme, globex):
    first = bot.post(PATH, HELLO, **KEY)
    other = outsider.post(PATH, HELLO | {"content": "other"}, **KEY)
    assert (first.status_code, other.status_code) == (201, 201)
    body = HELLO | {"content": "of the operator", "tenant_id": "acme"}
    problem_of(operator.post(PATH, body, **KEY), 422)
    assert Message.objects.for_tenant(acme.id).count() == 1


def test_a_refused_request_may_be_mended_and_sent_again(bot, acme):
    bot.post(PATH, HELLO | {"external_id": "taken"})
    problem_of(bot.post(PATH, HELLO | {"role": "king"}, **KEY), 400)
    problem_of(bot.post(PATH, HELLO | {"external_id": "taken", "content": "other"}, **KEY), 409)
    Tenant.objects.update(message_quota=1)
    acme.refresh_from_db()
    acme.save()
    problem_of(bot.post(PATH, HELLO, **KEY), 403)
    acme.message_quota = None
    acme.save()
    assert not IdempotencyRecord.objects.exists()
    assert bot.post(PATH, HELLO, **KEY).status_code == 201


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "with\ttab", "bell\x07", "é"], ids=ascii)
def test_a_key_that_is_none_is_refused_before_anything_is_done(operator, key):
    answer = operator.post(PATH, HELLO | {"tenant_id": "new"}, **{"Idempotency-Key": key})
    problem_of(answer, 400, field="Idempotency-Key")
    assert not Tenant.objects.exists()


@pytest.mark.parametrize("key", ["x", "x" * 255, '"8e03978e"', "a key"], ids=ascii)
def test_any_other_key_is_taken(bot, key):
    assert is_replay(*(bot.post(PATH, HELLO, **{"Idempotency-Key": key}) for _ in range(2)))


def test_an_external_id_and_a_key_agree(bot):
    row = HELLO | {"external_id": "one"}
    first = bot.post(PATH, row)
    again = bot.post(PATH, row, **KEY)
    assert again["Idempotent-Replayed"] == "true"
    assert is_replay(first, bot.post(PATH, row, **KEY))
    assert again.json() == first.json()


def test_a_context_is_made_anew(bot):
    bot.post(PATH, HELLO)
    body = HELLO | {"return_context": True}
    first = bot.post(PATH, body, **KEY).json()
    bot.post(PATH, HELLO | {"content": "said meanwhile"})
    again = bot.post(PATH, body, **KEY)
    assert again["Idempotent-Replayed"] == "true"
    assert "said meanwhile" not in first["context"]["text"]
    assert "said meanwhile" in again.json()["context"]["text"]
    assert again.json()["id"] == first["id"]


def test_a_message_in_the_archive_is_said_to_be_there_both_times(bot, acme):
    row = HELLO | {"external_id": "one"}
    bot.post(PATH, row)
    archive_all(acme, *Message.objects.all())
    first, again = (bot.post(PATH, row, **KEY) for _ in range(2))
    assert first.json()["archived"] is True
    assert again.json() == first.json()


def test_a_refusal_of_somebody_erased_is_not_kept(bot, manager):
    row = HELLO | {"user_id": "mia"}
    first = bot.post(PATH, row, **KEY)
    manager.delete("/v1/users/mia")
    early = row | {"created_at": "2020-01-01T00:00:00Z"}
    problem_of(bot.post(PATH, early, **{"Idempotency-Key": "another"}), 409)
    assert is_replay(first, bot.post(PATH, row, **KEY)), "only the ids and numbers of it are left"
    assert not Message.objects.exists()
    assert IdempotencyRecord.objects.count() == 1


def test_the_answers_that_show_a_secret_are_never_kept(manager):
    path = "/v1/admin/keys"
    first, second = (manager.post(path, {"scopes": ["read"]}, **KEY).json() for _ in range(2))
    rotated = manager.post(f"{path}/{first['prefix']}/rotate", {}, **KEY).json()
    assert len({first["key"], second["key"], rotated["key"]}) == 3
    assert not IdempotencyRecord.objects.exists()


def test_nothing_of_what_was_said_is_in_the_record(bot):
    body = HELLO | {"return_context": True, "external_id": SECRET, "user_id": SECRET, "name": SECRET}
    bot.post(PATH, body, **{"Idempotency-Key": f"key-{SECRET}"})
    with connection.cursor() as cursor:
        cursor.execute("SELECT tenants_idempotencyrecord::text FROM tenants_idempotencyrecord")
        [(row,)] = cursor.fetchall()
    assert SECRET not in row
    assert SECRET.encode().hex() not in row


def test_after_a_day_the_key_is_new(bot):
    first = bot.post(PATH, HELLO, **KEY)
    IdempotencyRecord.objects.update(created_at=F("created_at") - timedelta(hours=24, seconds=1))
    again = bot.post(PATH, HELLO | {"content": "another day"}, **KEY)
    assert again.status_code == 201
    assert again.json()["id"] != first.json()["id"]
    assert is_replay(again, bot.post(PATH, HELLO | {"content": "another day"}, **KEY))


def test_beat_removes_what_is_older_than_a_day(bot, monkeypatch):
    monkeypatch.setattr(idempotency, "CHUNK", 2)
    for number in range(5):
        bot.post(PATH, HELLO, **{"Idempotency-Key": f"old-{number}"})
    IdempotencyRecord.objects.update(created_at=F("created_at") - timedelta(hours=24, seconds=1))
    bot.post(PATH, HELLO, **KEY)
    assert tasks.forget_idempotency_keys() == 5
    assert IdempotencyRecord.objects.count() == 1
    assert tasks.forget_idempotency_keys.name in {each["task"] for each in app.conf.beat_schedule.values()}


def test_records_go_with_their_tenant(bot, acme):
    bot.post(PATH, HELLO, **KEY)
    acme.delete()
    assert not IdempotencyRecord.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_store_one_message(bot):
    answers = at_once(*[lambda: Api(bot.key).post(PATH, HELLO, **KEY)] * 50)
    seen = Counter((answer.status_code, answer.get("Idempotent-Replayed")) for answer in answers)
    assert seen[201, None] == 1
    assert set(seen) <= {(201, None), (201, "true"), (409, None)}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert all(answer["Retry-After"] == "1" for answer in answers if answer.status_code == 409)
    assert Message.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_who_comes_while_the_first_is_at_work_is_told_to_come_again(bot, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()
    store = ingest.store

    def slow(**options):
        begun.set()
        assert go_on.wait(10)
        return store(**options)

    monkeypatch.setattr(ingest, "store", slow)

    def meanwhile():
        assert begun.wait(10)
        try:
            return Api(bot.key).post(PATH, HELLO, **KEY)
        finally:
            go_on.set()

    first, refused = at_once(lambda: bot.post(PATH, HELLO, **KEY), meanwhile)
    assert problem_of(refused, 409)["type"].endswith("idempotency-key-in-use")
    assert is_replay(first, bot.post(PATH, HELLO, **KEY))


@pytest.mark.django_db(transaction=True)
def test_message_and_record_stand_or_fall_together(bot, monkeypatch):
    monkeypatch.setattr(idempotency, "_keep", lambda *_: 1 / 0)
    assert bot.post(PATH, HELLO, **KEY).status_code == 500
    assert not Message.objects.exists()
    monkeypatch.undo()
    assert "Idempotent-Replayed" not in bot.post(PATH, HELLO, **KEY)


def test_a_first_request_that_is_refused_takes_back_the_space_that_it_made(bot):
    """And nobody goes on with it: a message would get no job, and never a vector."""
    one, other = HELLO | {"external_id": "x"}, HELLO | {"external_id": "x", "content": "something else"}
    problem_of(bot.post(BATCH, {"messages": [one, other]}, **KEY), 409)
    assert not EmbeddingSpace.objects.exists()
    assert bot.post(PATH, HELLO | {"external_id": "x"}).json()["embedding_status"] == "pending"
    assert EmbeddingJob.objects.count() == 1
