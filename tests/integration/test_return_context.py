"""return_context of POST /v1/messages: stored first, then answered with the context, whatever happens to that."""

import pytest
from django.db import OperationalError, connection

from memories import context, search
from memories.context_serializers import StoredWithContextOut
from memories.embeddings import EmbeddingError, Fault
from memories.models import Message
from tenants import isolation
from tenants.lifecycle import create_key
from tenants.models import Tenant
from tests.answers import problem_of
from tests.conftest import Api
from tests.factories import remember

MESSAGES = "/v1/messages"
BODY = {"conversation_id": "now", "role": "user", "content": "Where does Mia live?", "return_context": True}


@pytest.fixture
def chats(acme):
    remember(acme, "Mia lives in Lisbon", conversation="then", user_id="ann")
    remember(acme, "Hello", conversation="now", user_id="ann")


def stored(answer):
    assert answer.status_code == 201, answer.content
    return answer.json()


def said(body) -> list[str]:
    return [each["content"] for each in body["context"]["messages"]]


def test_it_works(bot, chats):
    body = stored(bot.post(MESSAGES, BODY))
    assert said(body) == ["Mia lives in Lisbon", "Hello"]
    assert [each["source"] for each in body["context"]["messages"]] == ["relevant", "recent"]
    assert body["context_error"] is None
    assert BODY["content"] not in body["context"]["text"], "the bot has it already"
    assert Message.objects.get(id=body["id"]).content == BODY["content"]
    assert StoredWithContextOut(body).data == body


def test_it_says_what_a_context_for_that_text_says(bot, chats):
    by_hand = bot.post("/v1/memory/context", {"query": BODY["content"], "conversation_id": "now"}).json()
    assert stored(bot.post(MESSAGES, BODY))["context"]["text"] == by_hand["text"]


@pytest.mark.parametrize("extra", [{}, {"return_context": False}])
def test_without_being_asked_it_answers_as_ever(bot, extra):
    body = stored(bot.post(MESSAGES, {k: v for k, v in BODY.items() if k != "return_context"} | extra))
    assert not body.keys() & {"context", "context_error"}


def test_the_first_message_of_all_has_an_empty_context(operator):
    body = stored(operator.post(MESSAGES, BODY | {"tenant_id": "new"}))
    assert (body["context"]["messages"], body["context"]["text"]) == ([], "")


def test_options_are_those_of_a_context(bot, chats):
    options = {"max_tokens": 300, "recent": 0, "top_k": 1, "explain": True, "mode": "text"}
    found = stored(bot.post(MESSAGES, BODY | {"context": options}))["context"]
    assert found["max_tokens"] == 300
    assert found["explain"]["mode"] == "text"
    assert [each["source"] for each in found["messages"]] == ["relevant"]


def test_a_users_message_brings_only_what_is_that_users_unless_asked_otherwise(bot, chats):
    toms = BODY | {"user_id": "tom", "conversation_id": "toms"}
    assert said(stored(bot.post(MESSAGES, toms))) == []
    assert "Mia lives in Lisbon" in said(stored(bot.post(MESSAGES, toms | {"context": {"user_id": None}})))
    assert "Mia lives in Lisbon" in said(stored(bot.post(MESSAGES, toms | {"context": {"user_id": "ann"}})))


def test_a_question_asked_again_brings_the_first_answer(bot, acme):
    remember(acme, BODY["content"], "Down by the river", conversation="first")
    assert said(stored(bot.post(MESSAGES, BODY | {"context": {"top_k": 1}}))) == ["Down by the river"]


def test_a_replay_answers_with_the_context_too(bot, chats):
    body = BODY | {"external_id": "x-1"}
    first, again = bot.post(MESSAGES, body), bot.post(MESSAGES, body)
    assert again["Idempotent-Replayed"] == "true"
    assert stored(first)["id"] == stored(again)["id"]
    assert stored(first)["context"]["text"] == stored(again)["context"]["text"] != ""


def test_a_long_message_is_asked_with_its_beginning(bot, chats):
    body = stored(bot.post(MESSAGES, BODY | {"content": "Where does Mia live? " + "é" * 30_000}))
    assert "Mia lives in Lisbon" in said(body)


def test_a_provider_that_is_down_degrades_the_context(bot, chats, monkeypatch):
    def refuse(texts, identity):
        raise EmbeddingError("down", fault=Fault.PROVIDER)

    monkeypatch.setattr(search, "embed", refuse)
    body = stored(bot.post(MESSAGES, BODY))
    assert body["context"]["degraded"] is True
    assert "Mia lives in Lisbon" in said(body)


def lost(answer) -> None:
    body = stored(answer)
    assert body["context"] is None
    assert "is stored" in body["context_error"]
    assert Message.objects.filter(id=body["id"], content=BODY["content"]).exists()


@pytest.mark.parametrize(
    "error", [OperationalError("gone"), RuntimeError("a mistake of ours"), KeyError("x")]
)
def test_whatever_goes_wrong_after_the_commit_the_message_is_acknowledged(bot, chats, monkeypatch, error):
    def fail(**_):
        raise error

    monkeypatch.setattr(context.search, "search", fail)
    lost(bot.post(MESSAGES, BODY))


@pytest.mark.django_db(transaction=True)
def test_a_database_that_cannot_search_has_still_stored(bot, chats):
    with isolation.reaching(isolation.LOGIN), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE memories_messageembedding RENAME COLUMN embedding TO away")
    try:
        lost(bot.post(MESSAGES, BODY))
    finally:
        with isolation.reaching(isolation.LOGIN), connection.cursor() as cursor:
            cursor.execute("ALTER TABLE memories_messageembedding RENAME COLUMN away TO embedding")
    assert stored(bot.post(MESSAGES, BODY))["context"]["messages"]


@pytest.mark.parametrize(("scope", "lacking"), [("write", "read"), ("read", "write")])
def test_it_needs_both_scopes_and_stores_nothing_without(acme, chats, scope, lacking):
    before = Message.objects.count()
    half = Api(create_key(tenant=acme, scopes=[scope])[1])
    assert f"'{lacking}'" in problem_of(half.post(MESSAGES, BODY), 403)["detail"]
    assert Message.objects.count() == before


REFUSED = [
    ({"return_context": "yes"}, "return_context"),
    ({"return_context": 1}, "return_context"),
    ({"return_context": None}, "return_context"),
    ({"context": None}, "context"),
    ({"context": []}, "context"),
    ({"context": {"max_tokens": 5}}, "context.max_tokens"),
    ({"context": {"query": "tea"}}, "context.query"),
    ({"context": {"conversation_id": "c"}}, "context.conversation_id"),
    ({"context": {"tenant_id": "globex"}}, "context.tenant_id"),
    ({"context": {"filters": {"role": "king"}}}, "context.filters.role"),
    ({"context": {"recall": 5}}, "context.recall"),
    ({"return_context": False, "context": {}}, "context"),
    ({"role": "king"}, "role"),
]


@pytest.mark.parametrize(("change", "field"), REFUSED, ids=lambda value: ascii(value)[:40])
def test_a_wrong_body_is_refused_before_anything_is_stored(bot, change, field):
    problem_of(bot.post(MESSAGES, BODY | change), 400, field=field)
    assert not Message.objects.exists()


def test_weights_that_leave_nothing_are_refused_before_anything_is_stored(bot, acme):
    Tenant.objects.filter(id=acme.id).update(similarity_weight=1.0, importance_weight=0.0, decay_weight=0.0)
    body = BODY | {"context": {"weights": {"similarity": 0}}}
    problem_of(bot.post(MESSAGES, body), 400, field="context.weights")
    assert not Message.objects.exists()


def test_a_batch_has_no_context(bot):
    problem_of(bot.post(f"{MESSAGES}/batch", {"messages": [BODY]}), 400, field="messages[0].return_context")


def test_one_round_trip_needs_few_queries(bot, chats, django_assert_max_num_queries):
    bot.post(MESSAGES, BODY)
    with django_assert_max_num_queries(12):
        bot.post(MESSAGES, BODY)
