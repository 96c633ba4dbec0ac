"""GET, PATCH and DELETE of messages: filters, pages, edits."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from memories import ingest
from memories.jobs import run_batch
from memories.models import EmbeddingJob, Message, MessageEmbedding
from tests.answers import problem_of
from tests.factories import remember

LIST = "/v1/messages"
START = datetime(2026, 1, 1, tzinfo=UTC)
HELLO = {"conversation_id": "conv-1", "role": "user", "content": "hello"}
FIELDS = {
    "id",
    "external_id",
    "conversation_id",
    "importance",
    "created_at",
    "embedding_status",
    "role",
    "name",
    "user_id",
    "agent_id",
    "content",
    "metadata",
    "pinned",
}


def contents(answer) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [message["content"] for message in answer.json()["messages"]]


def pages(api, **params) -> list[list[str]]:
    """The contents of every page from here on."""
    answer = api.get(LIST, **params)
    found = [contents(answer)]
    while following := answer.json()["next"]:
        answer = api.get(LIST, **params | {"cursor": following})
        found.append(contents(answer))
    return found


def together(found: list[list[str]]) -> list[str]:
    return [content for page in found for content in page]


@pytest.fixture
def four(acme):
    """An hour apart: a, b, c, d; each of another kind."""
    rows = [
        {"conversation": "conv-1", "role": "user", "user_id": "ann", "metadata": {"k": "x", "n": 3}},
        {"conversation": "conv-1", "role": "assistant", "agent_id": "bot", "metadata": {"k": "3", "n": 0.5}},
        {"conversation": "conv-2", "role": "system", "metadata": {"n": "3", "yes": True}},
        {
            "conversation": "conv-2",
            "role": "tool",
            "user_id": "ann",
            "pinned": True,
            "metadata": {"k": {"deep": 1}, "yes": "true"},
        },
    ]
    for number, (letter, row) in enumerate(zip("abcd", rows, strict=True)):
        remember(acme, letter, created_at=START + timedelta(hours=number), **row)


def test_it_works(bot, four):
    answer = bot.get(LIST)
    assert contents(answer) == ["d", "c", "b", "a"]
    assert answer.json()["next"] is None
    assert set(answer.json()["messages"][0]) == FIELDS


def hour(number: int) -> str:
    return (START + timedelta(hours=number)).isoformat()


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"conversation_id": "conv-1"}, "ba"),
        ({"conversation_id": "conv"}, ""),
        ({"user_id": "ann"}, "da"),
        ({"agent_id": "bot"}, "b"),
        ({"role": "tool"}, "d"),
        ({"user_id": "ann", "role": "user"}, "a"),
        ({"pinned": "true"}, "d"),
        ({"pinned": "false", "user_id": "ann"}, "a"),
        ({"since": hour(1)}, "dcb"),
        ({"until": hour(1)}, "a"),
        ({"since": hour(1), "until": hour(3)}, "cb"),
        ({"since": hour(3), "until": hour(1)}, ""),
        ({"since": "2026-01-01T02:00:00+01:00"}, "dcb"),
        ({"metadata.k": "x"}, "a"),
        ({"metadata.n": "3"}, "ca"),
        ({"metadata.n": "3.0"}, "a"),
        ({"metadata.n": "0.5"}, "b"),
        ({"metadata.yes": "true"}, "dc"),
        ({"metadata.yes": "false"}, ""),
        ({"metadata.k": "x", "metadata.n": "3"}, "a"),
        ({"metadata.k": '{"deep": 1}'}, ""),
        ({"metadata.absent": ""}, ""),
    ],
    ids=str,
)
def test_filters_narrow_the_list(bot, four, params, expected):
    assert contents(bot.get(LIST, **params)) == list(expected)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 100])
def test_pages_hold_everything_once(bot, four, limit):
    found = pages(bot, limit=limit)
    assert together(found) == ["d", "c", "b", "a"]
    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)


def test_pages_hold_messages_of_the_same_moment_once(bot, acme):
    expected = [f"m{n}" for n in range(25)]
    remember(acme, *expected, created_at=START)
    found = together(pages(bot, limit=4))
    assert sorted(found) == sorted(expected)
    assert found == together(pages(bot, limit=100))


def test_messages_that_arrive_meanwhile_neither_repeat_nor_hide_any(bot, acme):
    remember(acme, *"abcdef", created_at=START)
    first = bot.get(LIST, limit=3).json()
    remember(acme, "new", "newer")
    rest = pages(bot, limit=2, cursor=first["next"])
    seen = [message["content"] for message in first["messages"]] + together(rest)
    assert sorted(seen) == list("abcdef")


def test_a_page_goes_on_after_its_last_message_was_deleted(bot, four):
    first = bot.get(LIST, limit=2).json()
    bot.delete(f"{LIST}/{first['messages'][-1]['id']}")
    assert contents(bot.get(LIST, cursor=first["next"])) == ["b", "a"]


def test_filters_hold_on_every_page(bot, four):
    assert pages(bot, limit=1, user_id="ann") == [["d"], ["a"]]


@pytest.fixture
def path(bot) -> str:
    """A stored message's own address."""
    return f"{LIST}/{bot.post(LIST, HELLO | {'metadata': {'a': 1}}).json()['id']}"


def test_a_message_is_read_by_its_id(bot, path):
    body = bot.get(path).json()
    assert set(body) == FIELDS
    assert (body["content"], body["metadata"], body["user_id"]) == ("hello", {"a": 1}, None)
    problem_of(bot.get(f"{LIST}/01932c07-2f1c-7c3e-8f00-000000000001"), 404)


def test_an_edited_text_is_scored_and_embedded_again(bot, path):
    run_batch()
    before = bot.get(path).json()
    assert before["embedding_status"] == "ready"
    answer = bot.patch(
        path, {"content": "My sister Ann was born in Lisbon in 1984 and I visit her every summer"}
    )
    assert answer.status_code == 200
    assert answer.json()["importance"] > before["importance"]
    assert answer.json()["embedding_status"] == "pending"
    run_batch()
    assert bot.get(path).json()["embedding_status"] == "ready"
    assert bot.get(path).json()["created_at"] == before["created_at"]


def test_the_same_text_again_is_not_embedded_again(bot, path):
    run_batch()
    assert bot.patch(path, {"content": "hello"}).json()["embedding_status"] == "ready"


def test_an_explicit_importance_outlives_an_edit(bot, path):
    assert bot.patch(path, {"importance": 0.125}).json()["importance"] == 0.125
    assert bot.patch(path, {"content": "I was born in Lisbon in 1984"}).json()["importance"] == 0.125


@pytest.mark.parametrize(
    "change", [{"metadata": {"b": [2]}}, {"metadata": {}}, {"importance": 0}, {"pinned": True}], ids=str
)
def test_an_edit_changes_what_it_names_and_nothing_else(bot, path, change):
    run_batch()
    before = bot.get(path).json()
    assert bot.patch(path, change).json() == bot.get(path).json() == before | change


@pytest.mark.parametrize(
    "change",
    [
        {"content": ""},
        {"content": "a\0"},
        {"content": None},
        {"importance": None},
        {"importance": 2},
        {"metadata": None},
        {"pinned": "perhaps"},
        {"role": "system"},
        {"conversation_id": "other"},
        {"created_at": "2026-01-01T00:00:00Z"},
    ],
    ids=ascii,
)
def test_a_wrong_edit_is_refused_and_changes_nothing(bot, path, change):
    before = bot.get(path).json()
    [field] = change
    problem_of(bot.patch(path, {"pinned": True} | change), 400, field=field)
    assert bot.get(path).json() == before


def test_an_empty_edit_is_refused(bot, path):
    assert "Nothing to change" in problem_of(bot.patch(path, {}), 400)["detail"]


def test_a_deleted_message_is_gone_with_its_vector_and_job(bot, acme, path):
    run_batch()
    remember(acme, "kept")
    ingest.embed_again(tenant=acme, message_id=UUID(path.rpartition("/")[2]))
    assert (MessageEmbedding.objects.count(), EmbeddingJob.objects.count()) == (1, 2)
    answer = bot.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    for gone in (bot.get(path), bot.delete(path), bot.patch(path, {"pinned": True})):
        problem_of(gone, 404)
    assert (MessageEmbedding.objects.count(), EmbeddingJob.objects.count()) == (0, 1)
    assert Message.objects.get().content == "kept"
    assert [hit["content"] for hit in bot.get("/v1/memory/search", query="hello").json()["results"]] == [
        "kept"
    ]


def test_an_operator_names_the_tenant_of_an_id(operator, acme, globex):
    [message] = remember(acme, "hello")
    assert operator.get(f"{LIST}/{message.id}", tenant_id="acme").status_code == 200
    problem_of(operator.get(f"{LIST}/{message.id}", tenant_id="globex"), 404)
    problem_of(operator.patch(f"{LIST}/{message.id}?tenant_id=globex", {"pinned": True}), 404)
    problem_of(operator.delete(f"{LIST}/{message.id}?tenant_id=globex"), 404)
    assert operator.delete(f"{LIST}/{message.id}?tenant_id=acme").status_code == 204


def test_reading_and_editing_need_few_queries(bot, acme, path, django_assert_max_num_queries):
    remember(acme, *(f"message {n}" for n in range(200)))
    bot.get(LIST)
    for send, queries in (
        (lambda: bot.get(LIST, limit=100), 2),
        (lambda: bot.get(path), 2),
        (lambda: bot.patch(path, {"content": "changed"}), 10),
        (lambda: bot.delete(path), 5),
    ):
        with django_assert_max_num_queries(queries):
            assert send().status_code < 300
