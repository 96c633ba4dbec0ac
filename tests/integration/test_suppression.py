"""What an erased user or conversation said up to then is not taken back; what comes after is stored as ever."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from memories import suppression
from memories.models import EmbeddingJob, Message, Subject, Suppression
from tests.answers import problem_of

ANN = {"conversation_id": "c", "role": "user", "content": "tea", "user_id": "ann"}
BOB = ANN | {"user_id": "bob"}


def before() -> str:
    return (timezone.now() - timedelta(hours=1)).isoformat()


@pytest.fixture
def ann_erased(acme):
    return suppression.suppress(tenant_id=acme.id, kind=Subject.USER, subject="ann")


def test_it_works(bot, ann_erased):
    problem = problem_of(bot.post("/v1/messages", ANN | {"created_at": before()}), 409)
    assert problem["detail"].startswith("user_id: erased at ")
    assert "Nothing was stored." in problem["detail"]
    assert not Message.objects.exists()
    assert not EmbeddingJob.objects.exists()


def test_what_is_said_afterwards_is_stored(bot, ann_erased):
    assert bot.post("/v1/messages", ANN).status_code == 201
    later = (ann_erased + timedelta(milliseconds=1)).isoformat()
    assert bot.post("/v1/messages", ANN | {"created_at": later}).status_code == 201
    assert bot.post("/v1/messages", ANN | {"created_at": ann_erased.isoformat()}).status_code == 409


def test_nothing_of_a_batch_is_stored_and_each_place_is_named(bot, ann_erased):
    rows = [BOB, ANN | {"created_at": before()}, ANN, ANN | {"created_at": before()}]
    problem = problem_of(bot.post("/v1/messages/batch", {"messages": rows}), 409)
    assert "messages[1].user_id, messages[3].user_id: erased at " in problem["detail"]
    assert not Message.objects.exists()


def test_an_erased_conversation_takes_nothing_back_from_anybody(bot, acme):
    suppression.suppress(tenant_id=acme.id, kind=Subject.CONVERSATION, subject="c")
    for row in (ANN, BOB, {**ANN, "user_id": "c"}):
        problem = problem_of(bot.post("/v1/messages", row | {"created_at": before()}), 409)
        assert problem["detail"].startswith("conversation_id: erased at ")
    elsewhere = ANN | {"conversation_id": "other", "user_id": "c", "created_at": before()}
    assert bot.post("/v1/messages", elsewhere).status_code == 201


def test_others_and_other_tenants_are_not_concerned(bot, outsider, ann_erased):
    assert bot.post("/v1/messages", BOB | {"created_at": before()}).status_code == 201
    nobody = {key: value for key, value in ANN.items() if key != "user_id"} | {"created_at": before()}
    assert bot.post("/v1/messages", nobody).status_code == 201
    assert outsider.post("/v1/messages", ANN | {"created_at": before()}).status_code == 201


def test_an_external_id_that_is_taken_is_still_told_apart(bot, ann_erased):
    assert bot.post("/v1/messages", BOB | {"external_id": "x"}).status_code == 201
    taken = bot.post("/v1/messages", BOB | {"external_id": "x", "content": "coffee"})
    assert "external_id" in problem_of(taken, 409)["detail"]
    again = bot.post("/v1/messages", BOB | {"external_id": "x"})
    assert (again.status_code, again["Idempotent-Replayed"]) == (201, "true")


def test_an_import_says_what_it_refuses(acme, ann_erased, tmp_path):
    rows = [BOB, ANN | {"created_at": before()}]
    path = tmp_path / "messages.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with pytest.raises(CommandError, match="1 messages between lines 1 and 2: user_id: erased at "):
        call_command("import_messages", str(path), "--tenant", "acme", stdout=StringIO())
    assert not Message.objects.exists()


def test_the_row_names_nobody_and_the_later_erasure_counts(acme, ann_erased):
    again = suppression.suppress(tenant_id=acme.id, kind=Subject.USER, subject="ann")
    row = Suppression.objects.get()
    assert row.erased_at == again > ann_erased
    assert len(bytes(row.digest)) == 32
    assert b"ann" not in bytes(row.digest)
