"""The cache of answers while Redis is down, after it is back, and after it has lost everything."""

import time

import pytest
from django.core.cache import cache
from redis.exceptions import RedisError

from memories import caching
from tenants import shared_redis
from tests.factories import remember
from tests.integration.test_search_cache import TEA, ask, contents

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def cached(settings, acme) -> None:
    settings.ENV = settings.ENV.model_copy(update={"search_cache_seconds": 60})
    remember(acme, "green tea")


def test_it_works_without_redis(bot, outage):
    ask(bot)
    with outage():
        assert [ask(bot)[1] for _ in range(3)] == ["unavailable"] * 3
        assert contents(bot) == {"green tea"}
    assert ask(bot)[1] == "hit"


def test_a_write_during_the_outage_is_seen_during_and_after_it(bot, outage):
    ask(bot)
    with outage():
        assert bot.post("/v1/messages", TEA).status_code == 201
        assert contents(bot) == {"green tea", "black tea"}
    body, how = ask(bot)
    assert how == "miss", "the old answer is still there, and must not be given"
    assert len(body["results"]) == 2
    assert ask(bot)[1] == "hit"


def test_what_was_missed_is_repeated_until_it_is_told(bot, acme, outage):
    ask(bot)
    with outage():
        bot.post("/v1/messages", TEA)
        shared_redis.forget_outage()
        bot.post("/v1/messages", {**TEA, "content": "red tea"})
        shared_redis.forget_outage()
        ask(bot)
    assert caching._missed == {acme.id}
    caching.hold_hint()  # whatever asks Redis next
    assert caching._missed == set()
    assert len(contents(bot)) == 3


def test_after_a_loss_of_redis_no_old_answer_comes_back(bot):
    ask(bot)
    redis = cache._cache.get_client()
    [key] = redis.keys("*answer:*")
    old = redis.get(key)
    redis.flushdb()
    redis.set(key, old)
    assert ask(bot)[1] == "miss"
    assert ask(bot)[1] == "hit"


def test_a_lost_version_alone_is_a_new_one(bot):
    ask(bot)
    redis = cache._cache.get_client()
    [version] = redis.keys("*answer-version*")
    redis.delete(version)
    assert [ask(bot)[1] for _ in range(2)] == ["miss", "hit"]


def test_an_unreachable_redis_costs_one_time_out_not_one_a_request(bot, monkeypatch):
    asked = []

    def hang(*args, **options):
        asked.append(1)
        time.sleep(0.05)
        raise RedisError("time-out")

    monkeypatch.setattr(type(cache._connections["default"]), "get_many", hang)
    for _ in range(5):
        assert ask(bot)[1] == "unavailable"
    assert len(asked) == 1
