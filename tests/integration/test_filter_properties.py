"""The nested filters of POST /v1/memory/search: what passes, against Python reading the same."""

import json
import operator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories import remember

SEARCH = "/v1/memory/search"
SPRING, SUMMER = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 7, 1, 12, 30, tzinfo=UTC)
MESSAGES: list[dict[str, Any]] = [
    {"metadata": {}},
    {"user_id": "u1", "agent_id": "bot", "name": "Ann", "external_id": "x-1", "importance": 0.0},
    {"user_id": "u_1", "name": "ann", "external_id": "x-2", "importance": 1.0, "pinned": True},
    {"user_id": "u%1", "conversation": "b", "role": "assistant", "pinned": True, "created_at": SPRING},
    {"user_id": "u\\1", "conversation": "b", "importance": 0.25, "role": "tool", "created_at": SUMMER},
    {"metadata": {"k": None, "tags": ["a", "b"], "0": "zero"}},
    {"metadata": {"k": 1, "deep": {"k": 1, "list": [1, {"k": 2}]}}, "created_at": SPRING},
    {"metadata": {"k": 1.5, "tags": [], "deep": []}, "agent_id": "bot"},
    {"metadata": {"k": "1", "tags": "a", "deep": {"k": None}}, "created_at": SUMMER},
    {"metadata": {"k": True, "tags": ["é", 1, None], "deep": "k"}, "importance": 0.25},
    {"metadata": {"k": "é", "tags": {"a": 1}, "deep": {"k": {"k": 1}}}, "role": "system"},
    {"metadata": {"k": [1, [2]], "a.b": 1, "deep": [{"k": 1}]}},
]
SCALARS = st.sampled_from([None, True, False, 0, 1, 1.0, 1.5, "1", "a", "é", "Z", "", "zero"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["k", "a"]), inner, max_size=2)
    ),
    max_leaves=3,
)
TEXTS = {
    "conversation_id": ["a", "b"],
    "user_id": ["u1", "u_1", "u%1", "u\\1", None],
    "agent_id": ["bot", None],
    "name": ["Ann", "ann", None],
    "external_id": ["x-1", "x-2", None],
}
COMPARE = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}


def operators_for(
    values: st.SearchStrategy[Any], extra: dict[str, st.SearchStrategy[Any]]
) -> st.SearchStrategy[Any]:
    lists = st.lists(values, min_size=1, max_size=3)
    known = {"eq": values, "ne": values, "in": lists, **extra}
    return st.sampled_from(sorted(known)).flatmap(lambda name: st.fixed_dictionaries({name: known[name]}))


def ordered(values: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    return dict.fromkeys(COMPARE, values)


def field(name: str, tests: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return tests.map(lambda test: {name: test})


NUMBERS = st.sampled_from([0, 0.25, 0.5, 1])
MOMENTS = st.sampled_from([SPRING.isoformat(), SUMMER.isoformat(), "2024-07-01T14:30:00+02:00", "2024-05-01"])
FRAGMENTS = st.sampled_from(["a", "1", "_", "%", "\\", "u", "n"])
METADATA_TESTS = operators_for(
    VALUES, {**ordered(st.sampled_from([0, 1, 1.5, "1", "a", "é"])), "contains": VALUES}
)
PATHS = [
    "metadata.k",
    "metadata.tags",
    "metadata.0",
    "metadata.deep.k",
    "metadata.deep.k.k",
    "metadata.deep.0",
]
LEAVES = st.one_of(
    *(
        field(name, operators_for(st.sampled_from(values), {"contains": FRAGMENTS}))
        for name, values in TEXTS.items()
    ),
    field("role", operators_for(st.sampled_from(["user", "assistant", "system", "tool"]), {})),
    field("pinned", operators_for(st.booleans(), {}) | st.booleans()),
    field("importance", operators_for(NUMBERS, ordered(NUMBERS)) | NUMBERS),
    field("created_at", operators_for(MOMENTS, ordered(MOMENTS))),
    *(field(path, METADATA_TESTS | SCALARS) for path in PATHS),
    field(
        "metadata",
        st.dictionaries(st.sampled_from(["k", "deep", "a.b"]), VALUES, max_size=2).map(
            lambda value: {"contains": value}
        ),
    ),
)
FILTERS = st.recursive(
    st.lists(LEAVES, min_size=1, max_size=2).map(
        lambda leaves: {k: v for leaf in leaves for k, v in leaf.items()}
    ),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda filters: {"AND": filters}),
        st.lists(inner, min_size=1, max_size=3).map(lambda filters: {"OR": filters}),
        inner.map(lambda each: {"NOT": each}),
    ),
    max_leaves=5,
)


def same(a: Any, b: Any) -> bool:
    """Equal as JSON: true is not 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return type(a) in (int, float, str, type(None)) and a == b


def within(a: Any, b: Any, *, top: bool = True) -> bool:
    """a contains b, by the rules of PostgreSQL's @>."""
    if isinstance(a, dict) and isinstance(b, dict):
        return all(key in a and within(a[key], b[key], top=False) for key in b)
    if isinstance(a, list) and isinstance(b, list):
        return all(any(within(mine, each, top=False) for mine in a) for each in b)
    if isinstance(a, list) and not isinstance(b, dict) and top:
        return any(same(mine, b) for mine in a)
    return not isinstance(a, dict | list) and same(a, b)


def value_of(message: dict[str, Any], name: str) -> Any:
    first, *path = name.split(".")
    value = message[first]
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def passes_test(value: Any, name: str, operand: Any, *, is_json: bool) -> bool:
    if name == "ne":
        return not same(value, operand)
    if name == "in":
        return any(same(value, each) for each in operand)
    if name == "eq":
        return same(value, operand)
    if name == "contains":
        return within(value, operand) if is_json else value is not None and operand in value
    comparable = {type(each) if isinstance(each, str | bool) else float for each in (value, operand)}
    return value is not None and len(comparable) == 1 and COMPARE[name](value, operand)


def passes(message: dict[str, Any], data: dict[str, Any]) -> bool:
    return all(passes_key(message, key, inner) for key, inner in data.items())


def passes_key(message: dict[str, Any], key: str, inner: Any) -> bool:
    if key == "NOT":
        return not passes(message, inner)
    if key in ("AND", "OR"):
        return (all if key == "AND" else any)(passes(message, each) for each in inner)
    value, tests = value_of(message, key), inner if isinstance(inner, dict) else {"eq": inner}
    if key == "created_at":
        value = datetime.fromisoformat(value).timestamp()
        tests = {name: timestamps(operand) for name, operand in tests.items()}
    is_json = key.startswith("metadata")
    if is_json and isinstance(value, list | dict) and tests.keys() & COMPARE.keys():
        return False
    return all(passes_test(value, name, operand, is_json=is_json) for name, operand in tests.items())


def timestamps(operand: Any) -> Any:
    if isinstance(operand, list):
        return [timestamps(each) for each in operand]
    moment = datetime.fromisoformat(operand)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@pytest.fixture
def stored(bot, acme) -> list[dict[str, Any]]:
    """The messages as the API shows them."""
    for number, fields in enumerate(MESSAGES):
        remember(acme, f"green tea {number}", **{"created_at": SPRING, "conversation": "a", **fields})
    rows = bot.get("/v1/messages", limit=100).json()["messages"]
    assert len(rows) == len(MESSAGES)
    return rows


def found(bot, filters: Any) -> set[str]:
    answer = bot.post(SEARCH, {"query": "tea", "mode": "text", "top_k": 100, "filters": filters})
    assert answer.status_code == 200, f"{json.dumps(filters)}: {answer.content!r}"
    return {hit["id"] for hit in answer.json()["results"]}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=FILTERS)
def test_every_message_passes_a_filter_or_its_not_as_python_reads_it(bot, stored, data):
    expected = {message["id"] for message in stored if passes(message, data)}
    assert found(bot, data) == expected
    assert found(bot, {"NOT": data}) == {message["id"] for message in stored} - expected
