"""Nested filters: refused with the path of the fault and what would be right; examples; index use."""

import json
from typing import Any

import pytest
from django.db import connection

from memories import filter_grammar, filters
from tests.answers import problem_of
from tests.factories import remember

SEARCH = "/v1/memory/search"
DEEP: dict[str, Any] = {"role": "user"}
for _ in range(8):
    DEEP = {"NOT": DEEP}
REFUSED = [
    # the filter, the field of the error below `filters`, words of its message
    ([], "", "Must be an object"),
    (None, "", "null"),
    ("role=user", "", "Must be an object"),
    ({}, "", "Must have a condition"),
    ({"AND": []}, "AND", "one or more"),
    ({"OR": {}}, "OR", "one or more"),
    ({"NOT": []}, "NOT", "Must be an object"),
    ({"NOT": {}}, "NOT", "Must have a condition"),
    ({"AND": [{"role": "user"}, 7]}, "AND[1]", "Must be an object"),
    ({"AND": [{"role": "user"}, {"role": {"eq": "robot"}}]}, "AND[1].role.eq", "one of user, assistant"),
    ({"and": [{"role": "user"}]}, "and", "did you mean AND?"),
    ({"usr_id": "u1"}, "usr_id", "did you mean user_id?"),
    ({"OR": [{"NOT": {"rôle": "user"}}]}, "OR[0].NOT.rôle", "did you mean role?"),
    ({"content": "x"}, "content", "There are conversation_id"),
    ({"\0": "x"}, "\0", "no such field"),
    ({"\ud800": "x"}, "\\ud800", "no such field"),
    ({"x" * 5000: 1}, "x" * 255, "no such field"),
    ({"importance": {"=>": 1}}, "importance.=>", "There are eq, ne, in, gt"),
    ({"importance": {"$gte": 1}}, "importance.$gte", "did you mean gte?"),
    ({"importance": {}}, "importance", "eq, ne, in"),
    ({"importance": {"gte": "0.5"}}, "importance.gte", "valid number"),
    ({"importance": {"gte": True}}, "importance.gte", "valid number"),
    ({"importance": {"gte": 5}}, "importance.gte", "less than or equal to 1"),
    ({"importance": None}, "importance", "null"),
    ({"importance": {"contains": 1}}, "importance.contains", "no such operator here"),
    ({"pinned": "true"}, "pinned", "true or false"),
    ({"pinned": {"gt": False}}, "pinned.gt", "There are eq, ne, in."),
    ({"role": ["user"]}, "role", '{"in": [...]}'),
    ({"role": {"in": "user"}}, "role.in", "list of one or more"),
    ({"role": {"in": []}}, "role.in", "list of one or more"),
    ({"role": {"in": ["user", "robot"]}}, "role.in[1]", "one of user"),
    ({"role": {"eq": {"eq": "user"}}}, "role.eq", "one of user"),
    ({"user_id": 7}, "user_id", "valid string"),
    ({"user_id": ""}, "user_id", "null finds"),
    ({"user_id": {"contains": None}}, "user_id.contains", "1 to 255"),
    ({"user_id": {"contains": ""}}, "user_id.contains", "1 to 255"),
    ({"user_id": {"contains": "a\0"}}, "user_id.contains", "printable"),
    ({"user_id": {"contains": "\ud800"}}, "user_id.contains", "printable"),
    ({"user_id": {"gt": "a"}}, "user_id.gt", "There are eq, ne, in, contains."),
    ({"conversation_id": None}, "conversation_id", "null"),
    ({"conversation_id": "x" * 256}, "conversation_id", "255"),
    ({"conversation_id": "a\0"}, "conversation_id", "ull characters"),
    ({"created_at": {"gte": "yesterday"}}, "created_at.gte", "YYYY-MM-DD"),
    ({"created_at": {"gte": 1700000000}}, "created_at.gte", "YYYY-MM-DD"),
    ({"created_at": {"gte": "0001-01-01T00:00:00+14:00"}}, "created_at.gte", ""),
    ({"metadata": "x"}, "metadata", "There are contains."),
    ({"metadata": {"channel": "web"}}, "metadata.channel", "There are contains."),
    ({"metadata": {"contains": "web"}}, "metadata.contains", "Must be an object"),
    ({"metadata.": 1}, "metadata.", "1 to 5 keys"),
    ({"metadata.a..b": 1}, "metadata.a..b", "1 to 5 keys"),
    ({"metadata.a.b.c.d.e.f": 1}, "metadata.a.b.c.d.e.f", "1 to 5 keys"),
    ({"metadata.a\0": 1}, "metadata.a\0", "NUL"),
    ({"metadata.k": "a\0"}, "metadata.k", "NUL"),
    ({"metadata.k": {"eq": {"\ud800": 1}}}, "metadata.k.eq", "surrogates"),
    ({"metadata.k": {"in": [1, "\ud800"]}}, "metadata.k.in[1]", "surrogates"),
    ({"metadata.k": {"gt": None}}, "metadata.k.gt", "number or a text"),
    ({"metadata.k": {"gt": True}}, "metadata.k.gt", "number or a text"),
    ({"metadata.k": {"lte": [1]}}, "metadata.k.lte", "number or a text"),
    ({"metadata.k": {"eq": [[[[[[1]]]]]]}}, "metadata.k.eq", "levels"),
    ({"metadata.k": {"contains": "x" * 17000}}, "metadata.k.contains", "bytes"),
    (DEEP, ".".join(["NOT"] * 8), "at most 8 levels"),
    ({"OR": [{"role": "user"}] * 101}, "OR[100].role", "at most 100 conditions"),
    ({"metadata.k": {"in": [1] * 1001}}, "metadata.k.in", "at most 1000 values"),
    ({"AND": [{"metadata.k": {"in": [1] * 501}}] * 2}, "AND[1].metadata.k.in", "at most 1000 values"),
]


@pytest.mark.parametrize(("data", "path", "words"), REFUSED, ids=lambda value: ascii(value)[:40])
def test_a_wrong_filter_is_refused_at_its_path(bot, data, path, words):
    where = f"filters.{path}" if path else "filters"
    problem = problem_of(bot.post(SEARCH, {"query": "tea", "filters": data}), 400, field=where)
    assert words in problem["errors"][0]["message"], problem["errors"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "-1e999", "1" * 5000])
@pytest.mark.parametrize("name", ["importance", "metadata.k"])
@pytest.mark.parametrize("how", ["eq", "gt"])
def test_a_number_that_is_none_is_refused(bot, name, how, number):
    body = json.dumps({"query": "tea", "filters": {name: {how: "?"}}}).replace('"?"', number)
    problem_of(bot.post(SEARCH, body), 400)


def test_nesting_near_the_stack_limit_is_refused_at_every_depth(bot):
    for depth in (50, *range(800, 990, 10)):
        for opening, closing in (('{"NOT":', "}"), ('{"AND":[', "]}"), ('{"metadata.k":{"eq":', "}}")):
            body = f'{{"query": "tea", "filters": {opening * depth}{{}}{closing * depth}}}'
            problem_of(bot.post(SEARCH, body), 400)


def contents(bot, data: Any) -> set[str]:
    answer = bot.post(SEARCH, {"query": "lamp", "top_k": 50, "filters": data})
    assert answer.status_code == 200, answer.content
    return {hit["content"].removeprefix("lamp ") for hit in answer.json()["results"]}


@pytest.fixture
def lamps(acme):
    remember(acme, "lamp Z", metadata={"made": "Z", "on": "2024-05-01", "n": 10})
    remember(acme, "lamp a", metadata={"made": "a", "on": "2023-12-24", "n": 9}, user_id="u_1")
    remember(acme, "lamp 1", metadata={"made": 1, "n": "9", "a.b": True}, user_id="u21", role="assistant")


EXAMPLES = [
    ({"metadata.made": {"lt": "a"}}, {"Z"}),  # by code point, whatever the database's language
    ({"metadata.on": {"gte": "2024-01-01"}}, {"Z"}),
    ({"metadata.n": {"gt": 9}}, {"Z"}),  # numbers as numbers; the text "9" is none
    ({"metadata.n": {"gte": 9, "lt": 10}}, {"a"}),
    ({"metadata.a.b": True}, set()),  # dots are levels
    ({"metadata": {"contains": {"a.b": True}}}, {"1"}),
    ({"metadata.on": None}, {"1"}),
    ({"metadata.on": {"ne": "2024-05-01"}}, {"a", "1"}),
    ({"user_id": {"contains": "_"}}, {"a"}),
    ({"user_id": {"contains": "U"}}, set()),
    ({"user_id": None}, {"Z"}),
    ({"user_id": {"in": [None]}}, {"Z"}),
    ({"NOT": {"user_id": {"in": [None]}}}, {"a", "1"}),
    ({"user_id": {"ne": "u21"}, "role": "user"}, {"Z", "a"}),
    ({"OR": [{"role": "assistant"}, {"AND": [{"user_id": "u_1"}, {"NOT": {"metadata.n": 10}}]}]}, {"a", "1"}),
    ({"created_at": {"gte": "2200-01-01"}}, set()),
]


def named(value: dict | set) -> str:
    """The same in every process, as a set is not."""
    return ascii(sorted(value) if isinstance(value, set) else value)[:40]


@pytest.mark.parametrize(("data", "expected"), EXAMPLES, ids=named)
def test_filters_mean_what_the_page_says(bot, lamps, data, expected):
    assert contents(bot, data) == expected


def test_the_largest_filter_is_answered(bot, lamps):
    each = [{"NOT": {"metadata.made": {"in": list(range(100, 110))}}} for _ in range(100)]
    assert contents(bot, {"AND": each}) == {"Z", "a", "1"}
    assert contents(bot, {"metadata.made": {"in": [f"{n}" * 100 for n in range(999)] + [1]}}) == {"1"}


@pytest.mark.parametrize(
    ("data", "index", "condition"),
    [
        ({"user_id": "u1"}, "message_user", "user_id = "),
        (
            {"AND": [{"user_id": {"in": ["u1", "u2"]}}, {"NOT": {"role": "tool"}}]},
            "message_user",
            "user_id = ANY",
        ),
        ({"user_id": "u1", "created_at": {"gte": "2024-01-01"}}, "message_user", "created_at >= "),
        (
            {"AND": [{"conversation_id": "a", "metadata.k": {"ne": 1}}]},
            "message_conversation",
            "conversation_id =",
        ),
        ({"created_at": {"gte": "2024-01-01", "lt": "2024-02-01"}}, "message_created", "created_at < "),
        ({"external_id": {"in": ["x", "y"]}}, "message_external_id", "external_id = ANY"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_typical_filters_are_conditions_of_an_index_that_leads_with_the_tenant(acme, data, index, condition):
    fillers = [{"user_id": f"u{n % 40}", "conversation": f"c{n % 40}"} for n in range(80)]
    for fields in fillers:
        remember(acme, *("x",) * 10, **fields)
    where, params = filters.where_sql(filters.all_of(filter_grammar.read_filter(data)))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE memories_message")
        cursor.execute("SET LOCAL enable_seqscan = off")
        statement = f"EXPLAIN (FORMAT JSON) SELECT id FROM memories_message WHERE tenant_id = %s AND {where}"
        cursor.execute(statement, [acme.id, *params])
        plan = json.dumps(cursor.fetchone()[0])
    assert index in plan
    conditions = [part.partition('"')[0] for part in plan.split('"Index Cond": "')[1:]]
    assert any("tenant_id = " in each and condition in each for each in conditions), plan
