"""GET /v1/users/{user_id}/export and manage.py export_messages."""

import json
import stat
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from memories import tasks
from memories.models import EmbeddingJob, Message, MessageRecall
from retention import export
from tenants.lifecycle import create_key
from tests.answers import problem_of
from tests.conftest import Api
from tests.factories import remember
from tests.integration.test_archive import archive_all

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def keeper(acme) -> Api:
    """Acme's own administrator."""
    return Api(create_key(tenant=acme, scopes=["admin"])[1])


@pytest.fixture
def said(acme, globex):
    """Of Ann, in this order: marked as deleted, in the memory, in the archive, not embedded."""
    first, second, third = (
        remember(
            acme,
            content,
            user_id="ann",
            name="Ann",
            external_id=f"x-{day}",
            metadata={"a": [1, {"b": None}]},
            created_at=START + timedelta(days=day),
        )[0]
        for day, content in ((1, 'gone\u2028 \n"quoted"'), (2, "here"), (3, "archived"))
    )
    tasks.drain()
    MessageRecall.objects.create(
        tenant=acme, message_id=second.id, last_recalled_at=START + timedelta(days=9)
    )
    archive_all(acme, first, deleted=True)
    remember(acme, "waits", user_id="ann", created_at=START + timedelta(days=4), pinned=True, importance=0.9)
    archive_all(acme, third)
    remember(acme, "Bob", user_id="bob")
    remember(globex, "another Ann", user_id="ann")


def parsed(text: str) -> list[dict]:
    assert text.endswith("\n")
    return [json.loads(line) for line in text[:-1].split("\n")]


def exported(api, user_id: str = "ann", **params) -> list[dict]:
    answer = api.get(f"/v1/users/{user_id}/export", **params)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/x-ndjson")
    return parsed(b"".join(answer.streaming_content).decode())


def test_it_works(keeper, said):
    *rows, last = exported(keeper)
    assert last == {"exported": 4, "complete": True}
    assert [row["content"] for row in rows] == ['gone\u2028 \n"quoted"', "here", "archived", "waits"]
    assert [row["archived"] for row in rows] == [True, False, True, False]
    assert [row["embedding_status"] for row in rows] == ["ready", "ready", "ready", "pending"]
    assert [row["deleted_at"] is not None for row in rows] == [True, False, False, False]
    assert (rows[2]["archive_policy"], rows[2]["archive_reason"]) == ("old", "older than 90 days")
    assert rows[1]["last_recalled_at"] == "2026-01-10T00:00:00+00:00"
    message = Message.objects.get(content="here")
    assert {key: value for key, value in rows[1].items() if value is not None} == {
        "id": str(message.id),
        "external_id": "x-2",
        "conversation_id": "conv-1",
        "role": "user",
        "name": "Ann",
        "user_id": "ann",
        "content": "here",
        "metadata": {"a": [1, {"b": None}]},
        "importance": message.importance,
        "importance_is_explicit": False,
        "pinned": False,
        "language": "english",
        "created_at": "2026-01-03T00:00:00+00:00",
        "stored_at": rows[1]["stored_at"],
        "embedding_status": "ready",
        "last_recalled_at": rows[1]["last_recalled_at"],
        "archived": False,
    }
    assert datetime.fromisoformat(rows[1]["stored_at"]) == message.stored_at


def test_every_column_of_a_message_is_in_it(keeper, said):
    unsaid = {"tenant", "document", "word_count"}
    wanted = {field.name for field in Message._meta.concrete_fields} - unsaid
    assert all(wanted <= row.keys() for row in exported(keeper)[:-1])


def test_pages_lose_and_double_nothing(keeper, acme, monkeypatch):
    monkeypatch.setattr(export, "PAGE", 3)
    same = START
    messages = remember(acme, *[f"n {n}" for n in range(10)], user_id="ann", created_at=same)
    archive_all(acme, *messages[::2])
    *rows, last = exported(keeper)
    assert [row["id"] for row in rows] == [str(each) for each in sorted(message.id for message in messages)]
    assert last["exported"] == 10


def test_one_that_is_archived_while_it_is_exported_is_there_once(acme, monkeypatch):
    monkeypatch.setattr(export, "PAGE", 2)
    messages = remember(acme, *[f"n {n}" for n in range(6)], user_id="ann", created_at=START)
    lines = export.lines(tenant=acme, user_id="ann")
    seen = [next(lines) for _ in range(3)]
    archive_all(acme, *messages[2:5])
    rows = parsed("".join([*seen, *lines]))
    assert [row["content"] for row in rows[:-1]] == [f"n {n}" for n in range(6)]


def test_nobody_is_exported_as_nobody(keeper, said):
    assert exported(keeper, "nobody") == [{"exported": 0, "complete": True}]


def test_it_is_asked_for_by_its_own_type_and_refused_as_a_problem(keeper, bot, said):
    answer = keeper.client.get(
        "/v1/users/ann/export", headers={"Accept": "application/x-ndjson"}, HTTP_X_API_KEY=keeper.key
    )
    assert answer.status_code == 200
    problem_of(bot.get("/v1/users/ann/export"), 403)
    refused = bot.client.get(
        "/v1/users/ann/export", headers={"Accept": "application/x-ndjson"}, HTTP_X_API_KEY=bot.key
    )
    problem_of(refused, 403)
    problem_of(keeper.get("/v1/users/ann/export", tenant_id="globex"), 403)


def test_a_failed_job_is_said_of_archived_ones_too(keeper, acme):
    messages = remember(acme, "one", "two", user_id="ann")
    EmbeddingJob.objects.update(buried_at=timezone.now())
    archive_all(acme, messages[0])
    assert [row["embedding_status"] for row in exported(keeper)[:-1]] == ["failed", "failed"]


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("export_messages", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_writes_the_same(keeper, said):
    assert parsed(run("--tenant", "acme", "--user", "ann")) == exported(keeper)
    everybody = parsed(run("--tenant", "acme"))
    assert {row["user_id"] for row in everybody[:-1]} == {"ann", "bob"}
    assert everybody[-1] == {"exported": 5, "complete": True}


def test_the_command_writes_a_file_for_nobody_else(said, tmp_path):
    path = tmp_path / "ann.jsonl"
    run("--tenant", "acme", "--user", "ann", "--output", str(path))
    assert len(parsed(path.read_text(encoding="utf-8"))) == 5
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(CommandError, match="cannot be written"):
        run("--tenant", "acme", "--output", str(path))


@pytest.mark.parametrize("arguments", [["--tenant", "nobody"], ["--tenant", "acme", "--user", ""]])
def test_the_command_wants_a_tenant_and_a_user(acme, arguments):
    with pytest.raises(CommandError):
        run(*arguments)
