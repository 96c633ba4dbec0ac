"""Repeated searches are answered from Redis until the tenant's next write, and never a moment longer."""

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from prometheus_client import REGISTRY

from memories import caching, candidates, reembedding, replay, spaces, tasks
from memories.embeddings import EmbeddingError, Fault, Identity
from memories.models import EmbeddingJob, Message
from tests.factories import remember

pytestmark = pytest.mark.django_db(transaction=True)  # only a commit makes answers stale

SEARCH = "/v1/memory/search"
TEA = {"conversation_id": "c", "role": "user", "content": "black tea"}


@pytest.fixture(autouse=True)
def cached(settings) -> None:
    settings.ENV = settings.ENV.model_copy(update={"search_cache_seconds": 60})


@pytest.fixture(autouse=True)
def green(acme) -> Message:
    [message] = remember(acme, "green tea")
    tasks.drain()
    return message


def counted(result: str) -> float:
    return REGISTRY.get_sample_value("memory_search_cache_total", {"result": result}) or 0.0


def ask(api, **params):
    """The answer's body, and how the cache was counted."""
    before = {result: counted(result) for result in ("hit", "miss", "off", "unavailable")}
    answer = api.get(SEARCH, **{"query": "tea", **params})
    assert answer.status_code == 200, answer.content
    [result] = [result for result in before if counted(result) > before[result]]
    return answer.json(), result


def contents(api, **params) -> set[str]:
    return {hit["content"] for hit in ask(api, **params)[0]["results"]}


def test_it_works(bot):
    first, how = ask(bot)
    assert (how, [hit["content"] for hit in first["results"]]) == ("miss", ["green tea"])
    with CaptureQueriesContext(connection) as queries:
        again, how = ask(bot)
    assert (again, how) == (first, "hit")
    assert not queries.captured_queries


def test_everybody_of_the_tenant_shares_it_and_nobody_else(bot, reader, operator, outsider):
    ask(bot)
    assert ask(reader)[1] == "hit"
    body, how = ask(outsider)
    assert (body["results"], how) == ([], "miss")
    assert ask(operator, tenant_id="acme")[1] == "miss", "sent differently, so asked differently"


@pytest.mark.parametrize(
    "params",
    [
        {"query": "Tea"},
        {"query": "tea "},
        {"top_k": 6},
        {"mode": "text"},
        {"explain": "true"},
        {"conversation_id": "conv-1"},
        {"role": "user"},
        {"since": "2020-01-01T00:00:00Z"},
        {"until": "2099-01-01T00:00:00Z"},
        {"metadata.topic": "tea"},
        {"as_of": "2099-01-01T00:00:00Z"},
    ],
)
def test_whatever_shapes_the_answer_tells_questions_apart(bot, params):
    ask(bot)
    assert ask(bot, **params)[1] == "miss"
    assert ask(bot, **params)[1] == "hit"


def test_bodies_are_remembered_too_and_told_apart(bot):
    def post(**body):
        before = counted("hit")
        assert bot.post(SEARCH, {"query": "tea", **body}).status_code == 200
        return counted("hit") - before

    ask(bot)
    for more in ({}, {"weights": {"decay": 1}}, {"filters": {"role": "user"}}, {"filters": {"role": "tool"}}):
        assert (post(**more), post(**more)) == (0, 1)


def test_a_stored_message_is_in_the_very_next_answer(bot):
    ask(bot)
    assert bot.post("/v1/messages", TEA).status_code == 201
    assert contents(bot) == {"green tea", "black tea"}
    bot.post("/v1/messages/batch", {"messages": [{**TEA, "content": "red tea"}]})
    assert contents(bot) == {"green tea", "black tea", "red tea"}


def test_a_deleted_message_is_never_seen_again(bot, green):
    ask(bot)
    assert bot.delete(f"/v1/messages/{green.id}").status_code == 204
    assert contents(bot) == set()


@pytest.mark.parametrize(
    "changes", [{"content": "new tea"}, {"metadata": {"a": 1}}, {"importance": 0.9}, {"pinned": True}]
)
def test_an_edit_is_in_the_very_next_answer(bot, green, changes):
    ask(bot)
    assert bot.patch(f"/v1/messages/{green.id}", changes).status_code == 200
    body, how = ask(bot)
    assert how == "miss"
    [hit] = body["results"]
    assert {name: hit[name] for name in changes if name in hit} == {
        name: value for name, value in changes.items() if name in hit
    }


def test_the_admin_deletes_from_answers_too(bot, acme, green, admin_client):
    ask(bot)
    admin_client.post(f"/admin/memories/message/{green.id}/delete/", {"post": "yes"})
    assert contents(bot) == set()
    rows = remember(acme, "red tea", "blue tea")
    assert len(contents(bot)) == 2
    chosen = {"action": "delete_selected", "_selected_action": [row.id for row in rows], "post": "yes"}
    admin_client.post("/admin/memories/message/", chosen)
    assert contents(bot) == set()


def status(api) -> list[str]:
    return [hit["embedding_status"] for hit in ask(api)[0]["results"]]


def test_the_worker_changes_the_status_in_the_next_answer(bot, outsider, green, globex):
    bot.patch(f"/v1/messages/{green.id}", {"content": "old tea"})
    remember(globex, "their tea")
    assert (status(bot), status(outsider)) == (["pending"], ["pending"])
    tasks.drain()
    assert (status(bot), status(outsider)) == (["ready"], ["ready"])


def test_burying_and_replaying_change_the_status_in_the_next_answer(bot, green, monkeypatch):
    def refuse(texts, identity):
        raise EmbeddingError("refused", fault=Fault.TEXT)

    bot.patch(f"/v1/messages/{green.id}", {"content": "old tea"})
    assert status(bot) == ["pending"]
    with monkeypatch.context() as refusing:
        refusing.setattr(tasks.jobs, "embed", refuse)
        tasks.drain()
    assert status(bot) == ["failed"]
    assert replay.replay() == 1
    assert status(bot) == ["pending"]
    assert EmbeddingJob.objects.count() == 1


def test_a_replayed_store_changes_nothing_and_forgets_nothing(bot):
    bot.post("/v1/messages", {**TEA, "external_id": "e"})
    ask(bot)
    bot.post("/v1/messages", {**TEA, "external_id": "e"})
    assert ask(bot)[1] == "hit"


def test_others_writes_leave_it_alone(bot, outsider):
    ask(bot)
    outsider.post("/v1/messages", TEA)
    assert ask(bot)[1] == "hit"


def test_changed_settings_of_the_tenant_are_another_question(bot, acme, settings):
    ask(bot)
    acme.importance_weight = 1.0
    acme.save()
    assert ask(bot)[1] == "miss"
    settings.ENV = settings.ENV.model_copy(update={"weight_decay": 0.9})
    assert ask(bot)[1] == "miss"


def test_another_space_is_another_question(bot):
    ask(bot)
    new = reembedding.space_for(Identity("mock", "hashed-words", 64))
    list(reembedding.fill(new))
    tasks.drain()
    ask(bot)
    reembedding.switch(new)
    assert spaces.active_space() == new
    assert ask(bot)[1] == "miss"


def test_a_search_overtaken_by_a_write_leaves_nothing_behind(bot, monkeypatch):
    """It read the old rows, and ends after the write: its answer must not pass for one of the new version."""
    gather = candidates.gather

    def gather_then_write(*args, **options):
        found = gather(*args, **options)
        monkeypatch.setattr(candidates, "gather", gather)
        assert bot.post("/v1/messages", TEA).status_code == 201
        return found

    monkeypatch.setattr(candidates, "gather", gather_then_write)
    assert contents(bot) == {"green tea"}
    body, how = ask(bot)
    assert how == "miss"
    assert {hit["content"] for hit in body["results"]} == {"green tea", "black tea"}


def test_explain_says_whether_it_was_made_for_this_request(bot):
    first, again = ask(bot, explain="true")[0], ask(bot, explain="true")[0]
    assert (first["explain"].pop("cached"), again["explain"].pop("cached")) == (False, True)
    assert first == again


def test_degraded_answers_are_not_remembered(bot, monkeypatch):
    def refuse(texts, identity):
        raise EmbeddingError("down", fault=Fault.PROVIDER)

    with monkeypatch.context() as down:
        down.setattr("memories.search.embed", refuse)
        assert [ask(bot)[0]["degraded"] for _ in range(2)] == [True, True]
    body, how = ask(bot)
    assert (body["degraded"], how) == (False, "miss")


def test_off_means_off(bot, settings):
    settings.ENV = settings.ENV.model_copy(update={"search_cache_seconds": 0})
    assert [ask(bot)[1] for _ in range(2)] == ["off", "off"]
    assert not cache._cache.get_client().keys("*answer:*")


def test_redis_holds_no_question_and_no_answer_for_longer_than_told(bot):
    ask(bot, query="where is my green tea")
    redis = cache._cache.get_client()
    [key] = redis.keys("*answer:*")
    [version] = redis.keys("*answer-version*")
    assert b"tea" not in key
    assert 0 < redis.ttl(key) <= 60 < redis.ttl(version)


def test_big_answers_are_made_anew(bot, monkeypatch):
    monkeypatch.setattr(caching, "ANSWER_BYTES", 100)
    assert [ask(bot)[1] for _ in range(2)] == ["miss", "miss"]


@pytest.mark.parametrize("stored", [b"", "text", 7, b"other{}", ("other", b"{}")])
def test_what_is_no_answer_of_this_version_is_made_anew(bot, stored):
    ask(bot)
    [key] = cache._cache.get_client().keys("*answer:*")
    cache.set(key.decode().split(":", 2)[2], stored)
    assert [ask(bot)[1] for _ in range(2)] == ["miss", "hit"]
