"""GET /v1/conversations and /v1/conversations/{id}."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from tests.answers import problem_of
from tests.factories import remember
from tests.integration.test_archive import archive_all

CONVERSATIONS = "/v1/conversations"
START = datetime(2026, 1, 1, tzinfo=UTC)


def names(answer) -> list[str]:
    return [row["conversation_id"] for row in answer.json()["conversations"]]


@pytest.fixture
def chats(acme, globex):
    """Three of acme, of which Ann is in two, and one of globex."""
    for number, name in enumerate(("b", "a", "c")):
        for turn in range(number + 1):
            fields = {"user_id": "bob" if name == "b" else "ann", "created_at": START + timedelta(days=turn)}
            remember(acme, f"turn {turn}", conversation=name, **fields)
    remember(globex, "elsewhere", conversation="a", user_id="ann")


def test_it_works(reader, chats):
    answer = reader.get(CONVERSATIONS)
    assert answer.json() == {
        "conversations": [
            {
                "conversation_id": name,
                "messages": messages,
                "first_message_at": "2026-01-01T00:00:00Z",
                "last_message_at": f"2026-01-0{messages}T00:00:00Z",
            }
            for name, messages in (("a", 2), ("b", 1), ("c", 3))
        ],
        "next": None,
    }


def test_a_user_has_some_of_them(reader, acme, chats):
    remember(acme, "nobody's", conversation="d")
    assert names(reader.get(CONVERSATIONS, user_id="ann")) == ["a", "c"]
    assert names(reader.get(CONVERSATIONS, user_id="bob")) == ["b"]
    assert names(reader.get(CONVERSATIONS, user_id="nobody")) == []


@pytest.mark.parametrize("filters", [{}, {"user_id": "ann"}])
def test_pages_come_to_all_of_them_once(reader, acme, filters):
    wanted = sorted(f"chat|{number:02}/ü" for number in range(7))
    for name in wanted:
        remember(acme, "one", "two", conversation=name, user_id="ann")
    seen, cursor = [], {}
    while True:
        answer = reader.get(CONVERSATIONS, limit=3, **filters, **cursor)
        seen += names(answer)
        if answer.json()["next"] is None:
            break
        cursor = {"cursor": answer.json()["next"]}
    assert seen == wanted


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"user_id": ""}, "user_id"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "MDA="}, "cursor"),
        ({"cursor": "ZmY="}, "cursor"),
        ({"cursor": "eA=="}, "cursor"),
        ({"agent_id": "x"}, "agent_id"),
    ],
)
def test_bad_input_is_named(reader, params, field):
    problem_of(reader.get(CONVERSATIONS, **params), 400, field=field)


def test_one_is_read_with_its_archive_and_its_users(reader, acme, chats):
    [old, gone] = remember(
        acme, "old", "gone", conversation="a", user_id="zoe", created_at=START - timedelta(days=9)
    )
    archive_all(acme, old)
    archive_all(acme, gone, deleted=True)
    assert reader.get(f"{CONVERSATIONS}/a").json() == {
        "conversation_id": "a",
        "messages": 2,
        "first_message_at": "2025-12-23T00:00:00Z",
        "last_message_at": "2026-01-02T00:00:00Z",
        "archived": 1,
        "users": ["ann", "zoe"],
        "more_users": False,
    }


def test_what_is_only_in_the_archive_can_be_read_and_what_is_deleted_cannot(reader, acme):
    archive_all(acme, *remember(acme, "old", conversation="x"))
    archive_all(acme, *remember(acme, "gone", conversation="y"), deleted=True)
    assert reader.get(f"{CONVERSATIONS}/x").json()["archived"] == 1
    problem_of(reader.get(f"{CONVERSATIONS}/y"), 404)
    assert names(reader.get(CONVERSATIONS)) == []


def test_no_more_than_a_hundred_users_are_named(reader, acme):
    for number in range(101):
        remember(acme, "hello", user_id=f"u-{number:03}")
    body = reader.get(f"{CONVERSATIONS}/conv-1").json()
    assert (len(body["users"]), body["users"][0], body["more_users"]) == (100, "u-000", True)


@pytest.mark.parametrize(
    "name", ["a/b", "a/b/", "/", "..", "50%", "a?b=c#d", "ü 猫", "x/export", "a|b", '"{}"']
)
def test_an_id_may_be_any_printable_text(reader, acme, name):
    remember(acme, "hello", conversation=name)
    answer = reader.get(f"{CONVERSATIONS}/{quote(name, safe='')}")
    assert (answer.status_code, answer.json()["conversation_id"]) == (200, name)


@pytest.mark.parametrize("name", ["%00", "%20x", "a%07", "x" * 256])
def test_an_id_that_cannot_be_is_refused(reader, name):
    problem_of(reader.get(f"{CONVERSATIONS}/{name}"), 400, field="conversation_id")


def test_one_of_another_tenant_is_as_good_as_none(outsider, acme):
    remember(acme, "secret", conversation="acmes")
    problem_of(outsider.get(f"{CONVERSATIONS}/acmes"), 404)
    assert names(outsider.get(CONVERSATIONS)) == []
