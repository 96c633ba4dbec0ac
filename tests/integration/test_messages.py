"""POST /v1/messages and /v1/messages/batch: what is acknowledged is stored, whole, once, with its job."""

import threading

import pytest
from django.db import connection

from memories import ingest, outbox
from memories.models import EmbeddingJob, Message
from tests.factories import remember

HELLO = {"conversation_id": "conv-1", "role": "user", "content": "I love Python programming"}
FULL = HELLO | {
    "name": "Ann Smith",
    "user_id": "user-7",
    "agent_id": "bot-1",
    "external_id": "msg-1",
    "metadata": {"channel": "web", "deep": {"a": [1, None, True, "ü"]}},
    "importance": 0.9,
    "pinned": True,
    "created_at": "2025-03-01T12:00:00+02:00",
}


def test_it_works(bot, acme):
    answer = bot.post("/v1/messages", HELLO)
    assert answer.status_code == 201
    body = answer.json()
    assert body["embedding_status"] == "pending"
    assert body["importance"] == 0.4
    message = Message.objects.for_tenant(acme.id).get(id=body["id"])
    assert message.content == HELLO["content"]
    assert EmbeddingJob.objects.filter(tenant=acme, message_id=message.id).count() == 1


def test_every_field_comes_back(bot):
    message_id = bot.post("/v1/messages", FULL).json()["id"]
    body = bot.get(f"/v1/messages/{message_id}").json()
    assert body["created_at"] == "2025-03-01T10:00:00Z"
    assert {key: body[key] for key in FULL if key != "created_at"} == {
        key: value for key, value in FULL.items() if key != "created_at"
    }


def test_text_is_kept_to_the_letter(bot):
    content = "  two blanks, a tab\t, \r\n, emoji 🧠, combining é, ١٢٣, 'quotes' \"double\" \\ % %s {x} <b>  "
    message_id = bot.post("/v1/messages", HELLO | {"content": content}).json()["id"]
    assert bot.get(f"/v1/messages/{message_id}").json()["content"] == content


def test_64_kib_are_taken(bot):
    assert bot.post("/v1/messages", HELLO | {"content": "ü" * (32 * 1024)}).status_code == 201


def test_an_external_id_is_stored_once(bot, acme):
    first = bot.post("/v1/messages", FULL)
    again = bot.post("/v1/messages", FULL)
    assert again.status_code == 201
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert Message.objects.for_tenant(acme.id).count() == 1
    assert EmbeddingJob.objects.filter(tenant=acme).count() == 1


def test_an_external_id_with_another_text_is_a_conflict(bot, acme):
    bot.post("/v1/messages", FULL)
    answer = bot.post("/v1/messages", FULL | {"content": "something else"})
    assert answer.status_code == 409
    assert "external_id" in answer.json()["detail"]
    assert [m.content for m in Message.objects.for_tenant(acme.id)] == [HELLO["content"]]


def test_external_ids_of_two_tenants_are_apart(bot, outsider):
    assert bot.post("/v1/messages", FULL).json()["id"] != outsider.post("/v1/messages", FULL).json()["id"]


def test_a_batch_answers_in_order(bot, acme):
    rows = [HELLO | {"content": f"message number {n}", "external_id": f"m{n}"} for n in range(1000)]
    answer = bot.post("/v1/messages/batch", {"messages": rows})
    assert answer.status_code == 201
    assert [row["external_id"] for row in answer.json()["messages"]] == [row["external_id"] for row in rows]
    assert Message.objects.for_tenant(acme.id).count() == 1000
    assert EmbeddingJob.objects.filter(tenant=acme).count() == 1000


def test_a_batch_takes_known_and_new_together(bot, acme):
    bot.post("/v1/messages", FULL)
    twice = HELLO | {"external_id": "msg-2", "content": "the same twice"}
    answer = bot.post("/v1/messages/batch", {"messages": [FULL, twice, twice]}).json()
    assert len({row["id"] for row in answer["messages"]}) == 2
    assert Message.objects.for_tenant(acme.id).count() == 2


def test_a_conflict_stores_nothing_of_the_batch(bot, acme):
    bot.post("/v1/messages", FULL)
    rows = [HELLO | {"content": "new"}, FULL | {"content": "something else"}]
    answer = bot.post("/v1/messages/batch", {"messages": rows})
    assert answer.status_code == 409
    assert "messages[1].external_id" in answer.json()["detail"]
    assert Message.objects.for_tenant(acme.id).count() == 1


def test_one_hint_wakes_a_worker_for_all(bot, hints, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        bot.post("/v1/messages", HELLO)
        bot.post("/v1/messages", HELLO)
    assert len(hints) == 1


def test_message_and_job_stand_or_fall_together(bot, acme, monkeypatch):
    monkeypatch.setattr(
        outbox, "_INSERT", outbox._INSERT.replace("FROM stored", "FROM stored WHERE 1 / 0 = 1")
    )
    assert bot.post("/v1/messages", HELLO).status_code == 500
    assert Message.objects.for_tenant(acme.id).count() == 0


@pytest.mark.django_db(transaction=True)
def test_racing_writers_of_one_external_id_store_it_once(acme):
    """Both read before either writes; the unique index lets one through, and the other answers with its row."""
    barrier = threading.Barrier(8)
    ids = []

    def write() -> None:
        barrier.wait()
        [message] = remember(acme, "only once", external_id="race")
        ids.append(str(message.id))
        connection.close()

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1
    assert Message.objects.for_tenant(acme.id).count() == 1


@pytest.mark.django_db(transaction=True)
def test_racing_batches_in_opposite_order_do_not_deadlock(acme):
    ids = [f"m{n}" for n in range(200)]
    new = [
        ingest.NewMessage(conversation_id="c", role="user", content="same", external_id=each) for each in ids
    ]
    faults = []

    def write(rows) -> None:
        try:
            ingest.store(tenant=acme, messages=rows)
        except Exception as error:
            faults.append(error)
        connection.close()

    threads = [threading.Thread(target=write, args=(rows,)) for rows in (new, new[::-1]) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert Message.objects.for_tenant(acme.id).count() == 200


def test_a_batch_keeps_its_order_in_the_conversation(bot):
    rows = [HELLO | {"content": f"turn {n}", "external_id": f"{n % 7}-{n}"} for n in range(50)]
    bot.post("/v1/messages/batch", {"messages": rows})
    listed = bot.get("/v1/messages", limit=100).json()["messages"]
    assert [row["content"] for row in listed] == [row["content"] for row in reversed(rows)]


def test_storing_needs_few_queries(bot, django_assert_max_num_queries):
    bot.post("/v1/messages", HELLO)
    with django_assert_max_num_queries(8):
        bot.post("/v1/messages", HELLO)


def test_use_case_scores_what_was_given_no_importance(acme):
    [plain] = remember(acme, "Really?")
    [explicit] = remember(acme, "Really?", importance=0.0)
    assert (plain.importance, plain.importance_is_explicit) == (0.2, False)
    assert (explicit.importance, explicit.importance_is_explicit) == (0.0, True)
    assert ingest.delete(tenant=acme, message_id=plain.id)
