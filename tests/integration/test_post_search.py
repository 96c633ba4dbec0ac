"""POST /v1/memory/search: the search of GET as a body, with nested filters, weights of the call, and as_of in both."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from memories import search, tasks
from memories.models import EmbeddingJob, Message
from tests.answers import problem_of
from tests.factories import remember

SEARCH = "/v1/memory/search"


def contents(answer) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [hit["content"] for hit in answer.json()["results"]]


def test_it_works(bot, acme):
    remember(acme, "I love Python programming", "The weather is grey today", metadata={"channel": "web"})
    remember(acme, "Python bit me", metadata={"channel": "email"})
    tasks.drain()
    body = {"query": "Python", "top_k": 2, "filters": {"NOT": {"metadata.channel": "email"}}, "explain": True}
    answer = bot.post(SEARCH, body)
    assert contents(answer) == ["I love Python programming", "The weather is grey today"]
    assert answer.json()["results"][0]["explain"]["similarity"]["weight"] == 0.6


FLAT = [
    {},
    {"conversation_id": "a"},
    {"user_id": "u1"},
    {"agent_id": "bot"},
    {"role": "assistant"},
    {"pinned": "true"},
    {"pinned": "false", "top_k": "3"},
    {"since": "2020-01-01", "mode": "vector"},
    {"until": "2020-01-01T00:00:00Z"},
    {"as_of": "2124-01-01T00:00:00Z", "explain": "false"},
    {"tenant_id": "acme", "mode": "text"},
]


@pytest.mark.parametrize("params", FLAT, ids=str)
def test_get_and_post_give_one_answer(bot, acme, params):
    now = timezone.now() - timedelta(days=1)
    for n, fields in enumerate(
        ({"conversation": "a"}, {"user_id": "u1"}, {"agent_id": "bot"}, {"pinned": True})
    ):
        remember(acme, f"lamp {n}", created_at=now, importance=n / 10, **fields)
    remember(acme, "lamp 5", role="assistant", created_at=now, importance=0.9)
    tasks.drain()
    by_get = contents(bot.get(SEARCH, query="lamp", **params))
    assert by_get == contents(bot.post(SEARCH, {"query": "lamp", **params}))
    assert len(by_get) in ((0,) if "until" in params else (1, 3, 4, 5))


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [({"n": 3}, ["lamp number"]), ({"n": "3"}, ["lamp text"]), ({"n": None, "a.b": [1]}, ["lamp dots"])],
)
def test_metadata_of_a_body_is_equal_as_json(bot, acme, metadata, expected):
    remember(acme, "lamp number", metadata={"n": 3})
    remember(acme, "lamp text", metadata={"n": "3"})
    remember(acme, "lamp dots", metadata={"a.b": [1]})
    assert contents(bot.post(SEARCH, {"query": "lamp", "metadata": metadata})) == expected


@pytest.mark.parametrize("mode", search.MODES)
def test_the_answer_is_full_under_nested_filters(bot, acme, mode):
    """They come before the ranking: ten messages that pass, among three hundred that match better and do not."""
    loud = {"conversation": "loud", "metadata": {"channel": "web", "level": 9}}
    remember(acme, *(f"green tea number {n}" for n in range(300)), **loud)
    quiet = {"conversation": "quiet", "metadata": {"channel": "web", "level": 2}}
    remember(acme, *(f"some tea {n}" for n in range(10)), **quiet)
    tasks.drain()
    filters = {
        "AND": [
            {"metadata.channel": {"in": ["web", "email"]}},
            {"OR": [{"metadata.level": {"lt": 5}}, {"pinned": True}]},
            {"NOT": {"conversation_id": {"contains": "oud"}}},
        ]
    }
    body = {"query": "green tea number 7", "top_k": 10, "mode": mode, "filters": filters}
    found = contents(bot.post(SEARCH, body))
    assert len(found) == 10
    assert all(text.startswith("some tea") for text in found)


def test_flat_and_nested_filters_hold_together(bot, acme):
    for user_id in ("u1", "u2"):
        for role in ("user", "assistant"):
            remember(acme, f"lamp {user_id} {role}", user_id=user_id, role=role)
    body = {"query": "lamp", "user_id": "u1", "filters": {"role": {"ne": "user"}}}
    assert contents(bot.post(SEARCH, body)) == ["lamp u1 assistant"]


def test_weights_hold_for_one_call_and_the_rest_is_the_tenants(bot, acme):
    acme.half_life_days = 7.0
    acme.save()
    remember(acme, "green tea", importance=0.0)
    remember(acme, "tea and many other things to drink", importance=1.0)
    body = {"query": "green tea", "mode": "text", "explain": True}
    plain = bot.post(SEARCH, body)
    answer = bot.post(SEARCH, body | {"weights": {"similarity": 0}})
    assert contents(plain)[0] == "green tea"
    assert contents(answer)[0].startswith("tea and")
    terms = answer.json()["results"][0]["explain"]
    weights = {name: terms[name]["weight"] for name in ("similarity", "importance", "decay")}
    assert weights == pytest.approx({"similarity": 0, "importance": 0.75, "decay": 0.25})
    assert answer.json()["explain"]["half_life_days"] == 7.0
    longer = bot.post(SEARCH, body | {"weights": {"half_life_days": 90}})
    assert longer.json()["explain"]["half_life_days"] == 90.0
    assert contents(bot.post(SEARCH, body)) == contents(plain)


def test_as_of_sees_nothing_later_and_counts_the_decay_from_then(bot, acme):
    now = timezone.now()
    then = now - timedelta(days=60)
    remember(acme, "Mia lives in Lisbon", created_at=then - timedelta(days=30), importance=0.5)
    remember(acme, "Mia lives in Rome", created_at=then, importance=0.5)
    remember(acme, "Mia lives in Porto", created_at=now, importance=0.5)
    tasks.drain()
    params = {"query": "Where does Mia live?", "as_of": then.isoformat(), "explain": True}
    for answer in (bot.post(SEARCH, params), bot.get(SEARCH, **params)):
        decays = {hit["content"]: hit["explain"]["decay"]["value"] for hit in answer.json()["results"]}
        assert decays == pytest.approx({"Mia lives in Lisbon": 0.5, "Mia lives in Rome": 1.0})
    assert len(contents(bot.get(SEARCH, query="Mia"))) == 3


REFUSED = [
    ({"query": None}, "query"),
    ({"query": ["a"]}, "query"),
    ({"query": "\ud800"}, "query"),
    ({"top_k": 0}, "top_k"),
    ({"top_k": "many"}, "top_k"),
    ({"top_k": [5]}, "top_k"),
    ({"mode": "psychic"}, "mode"),
    ({"mode": {}}, "mode"),
    ({"explain": []}, "explain"),
    ({"role": ["user"]}, "role"),
    ({"user_id": 7}, "user_id"),
    ({"user_id": None}, "user_id"),
    ({"pinned": "perhaps"}, "pinned"),
    ({"since": 5}, "since"),
    ({"as_of": "yesterday"}, "as_of"),
    ({"as_of": "0001-01-01T00:00:00+14:00"}, "as_of"),
    ({"as_of": None}, "as_of"),
    ({"metadata": "x"}, "metadata"),
    ({"metadata": {"k": "\0"}}, "metadata"),
    ({"metadata.k": "v"}, "metadata.k"),
    ({"filter": {"role": "user"}}, "filter"),
    ({"weights": []}, "weights"),
    ({"weights": None}, "weights"),
    ({"weights": {"similarity": -0.1}}, "weights.similarity"),
    ({"weights": {"similarity": 60}}, "weights.similarity"),
    ({"weights": {"decay": True}}, "weights.decay"),
    ({"weights": {"importance": "0.5"}}, "weights.importance"),
    ({"weights": {"importance": None}}, "weights.importance"),
    ({"weights": {"half_life_days": 0}}, "weights.half_life_days"),
    ({"weights": {"half_life_days": 10**400}}, "weights.half_life_days"),
    ({"weights": {"recency": 1}}, "weights.recency"),
    ({"weights": {"similarity": 0, "importance": 0, "decay": 0}}, "weights"),
]


@pytest.mark.parametrize(("change", "field"), REFUSED, ids=lambda value: ascii(value)[:40])
def test_a_wrong_body_is_refused_and_its_field_named(bot, change, field):
    problem_of(bot.post(SEARCH, {"query": "tea"} | change), 400, field=field)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b'"tea"', b'{"query": "tea"', b'{"query": "tea", "top_k": NaN}']
)
def test_a_broken_body_is_refused(bot, body):
    problem_of(bot.post(SEARCH, body), 400)


def test_weights_that_with_the_tenants_leave_nothing_are_refused(bot, acme):
    acme.similarity_weight, acme.importance_weight, acme.decay_weight = 1.0, 0.0, 0.0
    acme.save()
    problem_of(bot.post(SEARCH, {"query": "tea", "weights": {"similarity": 0}}), 400, field="weights")
    assert bot.post(SEARCH, {"query": "tea", "weights": {"similarity": 0, "decay": 0.1}}).status_code == 200


def test_as_of_in_a_query_string_is_refused_like_any_moment(bot):
    problem_of(bot.get(SEARCH, query="tea", as_of="soon"), 400, field="as_of")


def test_a_reader_may_post_a_search_and_nothing_is_written(reader, acme):
    remember(acme, "I love Python programming")
    before = [list(Message.objects.values()), list(EmbeddingJob.objects.values())]
    with CaptureQueriesContext(connection) as captured:
        assert contents(reader.post(SEARCH, {"query": "Python"})) == ["I love Python programming"]
    written = [query["sql"] for query in captured if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    assert not [sql for sql in written if "memories_" in sql]
    assert [list(Message.objects.values()), list(EmbeddingJob.objects.values())] == before


def test_a_search_creates_no_tenant(operator, stranger):
    problem_of(operator.post(SEARCH, {"query": "tea", "tenant_id": "nobody"}), 404)
    problem_of(stranger.post(SEARCH, {"query": "tea"}), 401)
