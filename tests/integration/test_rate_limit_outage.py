"""Rate limits while Redis is down: let pass or refused, as the installation says, and never waited for twice."""

import time

import pytest
from prometheus_client import REGISTRY
from redis.exceptions import ResponseError, TimeoutError

from tenants import cell_rate, shared_redis
from tests.answers import problem_of

LIST, HEALTH = "/v1/messages", "/v1/admin/health"


@pytest.fixture(autouse=True)
def limited(acme) -> None:
    acme.reads_per_minute = 1
    acme.save()


@pytest.fixture
def reachable(settings) -> dict:
    return settings.CACHES


@pytest.fixture
def no_redis(settings, tmp_path) -> None:
    url = f"unix://{tmp_path}/closed.sock?db=0"
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": [url]}}


@pytest.fixture
def closed(settings) -> None:
    settings.ENV = settings.ENV.model_copy(update={"rate_limit_on_outage": "closed"})


def outages(outcome: str) -> float:
    return REGISTRY.get_sample_value("memory_rate_limit_outages_total", {"outcome": outcome}) or 0.0


def part(operator) -> dict:
    rows = operator.get(HEALTH).json()["parts"]
    return next(row for row in rows if row["part"] == "rate_limits")


def test_it_works(bot, no_redis):
    before = outages("allowed")
    answers = [bot.get(LIST) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert {answer["RateLimit-Policy"] for answer in answers} == {'"tenant-reads";q=1;w=60'}
    assert not any("RateLimit" in answer for answer in answers), "nobody knows what is left"
    assert outages("allowed") == before + 3


def test_closed_means_refused_with_a_problem(bot, outsider, no_redis, closed):
    before = outages("refused")
    refused = bot.get(LIST)
    assert problem_of(refused, 503)["type"].endswith("limits-unavailable")
    assert refused["Retry-After"] == "5"
    assert outages("refused") == before + 1
    assert outsider.get(LIST).status_code == 200, "who has no limit needs no Redis"


def test_it_counts_again_once_redis_is_back(bot, reachable, no_redis, settings):
    bot.get(LIST)
    settings.CACHES = reachable
    shared_redis.forget_outage()
    assert [bot.get(LIST).status_code for _ in range(2)] == [200, 429]


def test_a_hanging_redis_costs_one_time_out_not_one_a_request(bot, monkeypatch):
    asked = []

    def hang(*_):
        asked.append(1)
        time.sleep(0.05)
        raise TimeoutError("time-out")

    monkeypatch.setattr(cell_rate, "_run", hang)
    assert [bot.get(LIST).status_code for _ in range(5)] == [200] * 5
    assert len(asked) == 1


def test_a_redis_that_refuses_to_write_is_an_outage_too(bot, monkeypatch):
    def refuse(*_):
        raise ResponseError("OOM command not allowed when used memory > 'maxmemory'.")

    monkeypatch.setattr(cell_rate, "_run", refuse)
    assert bot.get(LIST).status_code == 200


@pytest.mark.parametrize(
    ("on_outage", "said"), [("open", "no limit is enforced"), ("closed", "tenants are refused")]
)
def test_health_says_what_becomes_of_requests(operator, no_redis, settings, on_outage, said):
    settings.ENV = settings.ENV.model_copy(update={"rate_limit_on_outage": on_outage})
    row = part(operator)
    assert (row["ok"], row["on_outage"]) == (False, on_outage)
    assert said in row["detail"]


def test_health_with_redis(operator):
    assert part(operator) == {"part": "rate_limits", "ok": True, "on_outage": "open"}
