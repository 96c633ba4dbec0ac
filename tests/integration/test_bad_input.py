"""POST /v1/messages and its batch: what cannot be stored is refused with its field's name, and nothing is stored."""

import json
from typing import Any

import pytest

from memories.models import EmbeddingJob, Message
from tenants.models import Tenant
from tests.answers import problem_of

HELLO = {"conversation_id": "conv-1", "role": "user", "content": "hello"}
LONE = "\ud800"
CONTENT_BYTES, METADATA_BYTES = 64 * 1024, 16 * 1024


def nested(levels: int) -> dict[str, Any]:
    """Objects in objects: one level is {}."""
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


class Raw(str):
    """JSON that json.dumps would not write."""


TEXT = [
    ("number", 7),
    ("boolean", True),
    ("list", ["a"]),
    ("object", {"a": 1}),
    ("null", None),
    ("nul", "a\0b"),
]
IDS = [
    *TEXT,
    ("empty", ""),
    ("256", "x" * 256),
    ("control", "a\x1bb"),
    ("newline", "a\nb"),
    ("blank end", "a "),
    ("blank", " "),
    ("lone", f"a{LONE}"),
    ("invisible", "a\u200b"),
]
WRONG = {
    "conversation_id": IDS,
    "tenant_id": IDS,
    "name": IDS,
    "user_id": IDS,
    "agent_id": IDS,
    "external_id": IDS,
    "role": [
        *TEXT,
        ("unknown", "robot"),
        ("case", "User"),
        ("empty", ""),
        ("lone", LONE),
        ("long", "x" * 1_000_000),
    ],
    "content": [
        *TEXT,
        ("empty", ""),
        ("blank", " \n\t\u3000"),
        ("lone", f"a{LONE}b"),
        ("low surrogate", "\udfff"),
        ("65537 bytes", "x" * (CONTENT_BYTES + 1)),
        ("multi-byte", "é" * (CONTENT_BYTES // 2 + 1)),
    ],
    "metadata": [
        ("text", "a"),
        ("list", [{}]),
        ("number", 7),
        ("null", None),
        ("too deep", nested(6)),
        ("arrays too deep", {"a": [[[[[1]]]]]}),
        ("too large", {"a": "x" * METADATA_BYTES}),
        ("too large in bytes", {"a": "é" * (METADATA_BYTES // 2)}),
        ("nul value", {"a": {"b": ["x\0"]}}),
        ("nul key", {"a\0": 1}),
        ("lone value", {"a": [LONE]}),
        ("lone key", {LONE: 1}),
        ("infinite", Raw('{"a": [1e999]}')),
    ],
    "importance": [
        ("text", "0.5"),
        ("boolean", True),
        ("list", [0.5]),
        ("object", {}),
        ("above", 1.5),
        ("below", -0.1),
        ("infinite", Raw("1e999")),
        ("400 digits", Raw("1" * 400)),
    ],
    "pinned": [("number", 7), ("text", "perhaps"), ("list", []), ("null", None), ("infinite", Raw("1e999"))],
    "created_at": [
        ("garbage", "yesterday"),
        ("empty", ""),
        ("number", 1700000000),
        ("boolean", True),
        ("list", []),
        ("null", None),
        ("no such day", "2026-02-30T00:00:00Z"),
        ("far future", "2999-01-01T00:00:00Z"),
        ("last moment", "9999-12-31T23:59:59-14:00"),
        ("year 1", "0001-01-01T00:00:00Z"),
        ("before year 1", "0001-01-01T00:00:00+14:00"),
        ("1899", "1899-12-31T23:59:59Z"),
        ("lone", LONE),
    ],
    "contents": [("unknown field", "x")],
}


def body_with(field: str, value: Any) -> str:
    if isinstance(value, Raw):
        return json.dumps({**HELLO, field: "@"}).replace('"@"', value)
    return json.dumps({**HELLO, field: value})


def assert_nothing_stored() -> None:
    assert not Message.objects.exists()
    assert not EmbeddingJob.objects.exists()
    assert Tenant.objects.count() <= 1


@pytest.mark.parametrize("field", WRONG)
def test_a_wrong_value_is_refused_and_its_field_named(bot, field):
    for name, value in WRONG[field]:
        answer = bot.post("/v1/messages", body_with(field, value))
        assert answer.status_code == 400, name
        problem_of(answer, 400, field=field)
    assert_nothing_stored()


@pytest.mark.parametrize("field", WRONG)
def test_bad_messages_of_a_batch_are_named_and_none_is_stored(bot, field):
    rows = [body_with(field, value) for _, value in WRONG[field]]
    answer = bot.post("/v1/messages/batch", f'{{"messages": [{json.dumps(HELLO)}, {", ".join(rows)}]}}')
    body = problem_of(answer, 400)
    named = {error["field"] for error in body["errors"]}
    assert named == {f"messages[{index}].{field}" for index in range(1, len(rows) + 1)}
    assert_nothing_stored()


@pytest.mark.parametrize("field", sorted(HELLO))
def test_a_missing_field_is_named(bot, field):
    row = {name: value for name, value in HELLO.items() if name != field}
    body = problem_of(bot.post("/v1/messages", row), 400, field=field)
    assert body["errors"][0]["code"] == "required"
    assert_nothing_stored()


def test_a_misspelt_field_is_refused_with_the_one_that_was_meant(bot):
    body = problem_of(bot.post("/v1/messages", {**HELLO, "user": "ann", LONE: 1}), 400, field="user")
    assert "did you mean user_id?" in body["detail"]


def test_a_refused_role_says_which_there_are(bot):
    body = problem_of(bot.post("/v1/messages", {**HELLO, "role": "robot"}), 400, field="role")
    assert "user, assistant, system, tool" in body["detail"]


def test_all_faults_are_named_at_once(bot):
    body = problem_of(bot.post("/v1/messages", {"role": "robot", "content": "", "importance": 2}), 400)
    fields = {error["field"] for error in body["errors"]}
    assert fields == {"conversation_id", "role", "content", "importance"}
    assert "4 errors in all" in body["detail"]


def test_very_many_unknown_fields_are_refused_shortly_and_at_once(bot):
    problem_of(bot.post("/v1/messages", HELLO | {f"field-{n}": 1 for n in range(50_000)}), 400)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": HELLO}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [HELLO] * 1001}, "messages"),
        ({"messages": ["hello", HELLO]}, "messages[0]"),
        ({"messages": [HELLO, None]}, "messages[1]"),
        ({"messages": [HELLO, [HELLO]]}, "messages[1]"),
        ({"messages": [HELLO | {"tenant_id": "acme"}, HELLO | {"tenant_id": "globex"}]}, "messages"),
        ({"messages": [HELLO], "tenant": "acme"}, "tenant"),
        ({"messages": [HELLO], "tenant_id": "a\n"}, "tenant_id"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_batch_is_refused(bot, body, field):
    problem_of(bot.post("/v1/messages/batch", body), 400, field=field)
    assert_nothing_stored()


def test_every_bad_message_of_a_batch_is_named(bot):
    rows = [HELLO, {**HELLO, "role": "x"}, HELLO, {**HELLO, "content": ""}]
    body = problem_of(bot.post("/v1/messages/batch", {"messages": rows}), 400)
    assert [error["field"] for error in body["errors"]] == ["messages[1].role", "messages[3].content"]
    assert_nothing_stored()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("content", "x" * CONTENT_BYTES),
        ("content", "é" * (CONTENT_BYTES // 2)),
        (
            "content",
            "🧠 \u202e \x1b[31m <script>alert(1)</script> {{ x }} %s '; DROP TABLE memories_message; --",
        ),
        ("conversation_id", "🧠" * 255),
        ("name", "n" * 255),
        ("metadata", nested(5)),
        ("metadata", {"n": Raw("1" * 4000)}),
        ("metadata", {"n": 0.25, "m": -0.0, "": None, "ключ": [True, False]}),
        ("importance", 0),
        ("importance", 1),
        ("importance", None),
        ("created_at", "1900-01-01T00:00:00Z"),
        ("created_at", "2026-01-02T03:04:05.678901-11:30"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_lies_just_inside_the_limits_is_stored(bot, field, value):
    body = body_with(field, value)
    answer = bot.post("/v1/messages", body)
    assert answer.status_code == 201, answer.content
    [stored] = bot.get("/v1/messages").json()["messages"]
    if field not in ("importance", "created_at"):
        assert stored[field] == json.loads(body)[field]


def test_a_moment_without_an_offset_is_utc(bot):
    answer = bot.post("/v1/messages", {**HELLO, "created_at": "2026-01-02T03:04:05"})
    assert answer.json()["created_at"] == "2026-01-02T03:04:05Z"
