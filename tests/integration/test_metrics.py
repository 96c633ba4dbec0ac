"""What /metrics tells: of searches, ingest, providers and parts, also while something is down, and never of whom."""

import re
import time
import urllib.error
import urllib.request
from pathlib import Path
from unittest import mock

import pytest
from django.db import DatabaseError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from memories import caching, tasks
from memory_layer import metrics_server
from memory_layer.gauges import GAUGES
from tests.conftest import Api
from tests.factories import remember
from tests.fake_provider import FakeProvider
from tests.metrics import catalogue
from tests.stack import free_port

PAGE = Path(__file__).resolve().parents[2] / "docs" / "monitoring.md"
OPERATOR = "an-operator-s-key-7391"
# A label whose values are not bounded by the code or the settings would fill Prometheus.
LABELS = {
    "action", "budget", "degraded", "fault", "mode", "model", "outcome", "over_tenants", "part", "provider", "quota",
    "reach", "result", "stage", "status", "task", "trigger", "view", "method", "type",
}  # fmt: skip


@pytest.fixture
def scrape(operator):
    """scrape(): {series with its labels: value}."""

    def read(api: Api = operator) -> dict[str, float]:
        answer = api.get("/metrics")
        assert answer.status_code == 200
        families = text_string_to_metric_families(answer.content.decode())
        return {
            sample.name
            + "".join(f" {key}={value}" for key, value in sorted(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }

    return read


def test_a_search_counts_by_mode_stage_and_candidates(scrape, bot, acme):
    remember(acme, "tea", "coffee")
    before = scrape()
    bot.get("/v1/memory/search", query="tea", mode="text")
    added = {name: value - before.get(name, 0) for name, value in scrape().items()}
    assert added["memory_searches_total degraded=false mode=text"] == 1
    assert added["memory_search_candidates_count"] == 1
    assert added["memory_search_candidates_sum"] == 2
    for stage in ("total", "words", "embedding", "candidates", "ranking", "messages"):
        assert added[f"memory_search_seconds_count stage={stage}"] == 1


def test_ingest_and_provider_calls_count(scrape, acme, settings, httpserver):
    provider = FakeProvider(httpserver)
    settings.ENV = settings.ENV.model_copy(update=provider.settings())
    provider.orders = [500]
    before = scrape()
    remember(acme, "one", "two")
    tasks.drain()
    added = {name: value - before.get(name, 0) for name, value in scrape().items()}
    assert added["memory_ingest_seconds_count"] == 1
    assert added["memory_embedding_calls_total outcome=provider provider=openai"] == 1
    assert added["memory_embedding_call_seconds_count provider=openai"] == 1


def test_an_open_breaker_is_told(scrape, acme, settings, httpserver):
    provider = FakeProvider(httpserver)
    settings.ENV = settings.ENV.model_copy(update=provider.settings(embedding_breaker_failures=1))
    remember(acme, "one")
    assert scrape()["memory_embedding_breaker_open provider=openai"] == 0
    provider.always = 500
    tasks.drain()
    assert scrape()["memory_embedding_breaker_open provider=openai"] == 1


def test_the_parts_are_those_of_the_health_page(scrape, operator):
    told = {name.partition("part=")[2]: value for name, value in scrape().items() if "part=" in name}
    page = operator.get("/v1/admin/health").json()["parts"]
    assert told == {part["part"]: float(part["ok"]) for part in page}
    assert told["worker"] == 0


def test_numbers_of_the_parts_are_read_once_a_scrape(scrape, acme):
    remember(acme, "one")
    caching.record_pulse(time.time() - 20)
    with CaptureQueriesContext(connection) as asked:
        told = scrape()
    assert told["memory_jobs_backlog"] == 1
    assert told["memory_jobs_oldest_age_seconds"] >= 0
    assert told["memory_worker_pulse_age_seconds"] == pytest.approx(20, abs=5)
    assert sum("FROM memories_embeddingjob" in each["sql"] for each in asked) == 1


def test_without_a_database_the_rest_is_told(scrape, bot, settings):
    bot.get("/v1/messages")
    settings.ENV = settings.ENV.model_copy(update={"api_keys": [SecretStr(OPERATOR)]})
    with mock.patch.object(BaseDatabaseWrapper, "cursor", side_effect=DatabaseError("away")):
        told = scrape(Api(OPERATOR))
    assert told["memory_part_ok part=database"] == 0
    assert told["memory_part_ok part=redis"] == 1
    assert told["memory_recalls_waiting"] == 0
    assert not [name for name in told if name.startswith("memory_jobs")]
    assert told["memory_messages_ingested_total"] >= 0


def test_without_redis_the_rest_is_told(scrape, outage):
    with outage():
        told = scrape()
    assert "memory_recalls_waiting" not in told
    assert told["memory_jobs_backlog"] == 0
    assert told["memory_part_ok part=rate_limits"] == 0


def test_no_metric_has_a_label_that_grows_with_tenants():
    assert len(catalogue()) > 35
    assert {label for metric in catalogue() for label in metric.labels} <= LABELS
    assert {metric.name for metric in catalogue()} >= set(GAUGES)


def test_every_metric_is_in_the_docs_as_it_is():
    rows = re.findall(
        r"^\| `(\w+)` \| (\w+) \| ([^|]*) \| ([^|]+) \|$", PAGE.read_text("utf-8"), re.MULTILINE
    )
    listed = {(name, kind, tuple(re.findall(r"`(\w+)`", labels)), said) for name, kind, labels, said in rows}
    assert listed == {tuple(metric) for metric in catalogue()}


@pytest.fixture
def port(settings):
    update = {"metrics_port": free_port(), "api_keys": [SecretStr(OPERATOR)]}
    settings.ENV = settings.ENV.model_copy(update=update)
    server = metrics_server.start("127.0.0.1")
    yield settings.ENV.metrics_port
    server.shutdown()
    server.server_close()


def fetch(port: int, path: str = "/metrics", **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize(
    "headers", [{"Authorization": f"Bearer {OPERATOR}"}, {"X-API-Key": OPERATOR}], ids=["bearer", "key"]
)
def test_a_worker_s_own_port_tells_operators_what_it_counted(port, headers):
    status, text = fetch(port, **headers)
    assert status == 200
    assert "memory_messages_embedded_total" in text
    assert "memory_jobs_backlog" not in text, "the web tells what the database knows"


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer é"}, {"X-API-Key": "wrong"}]
)
def test_a_worker_s_own_port_is_closed_to_others(port, headers):
    status, text = fetch(port, **{key: value.encode().decode("latin-1") for key, value in headers.items()})
    assert status == 401
    assert "memory_" not in text


def test_there_is_nothing_else_on_it(port):
    assert fetch(port, "/", Authorization=f"Bearer {OPERATOR}")[0] == 404


def test_a_port_that_is_taken_stops_nothing(port, caplog):
    assert metrics_server.start("127.0.0.1") is None
    assert "metrics_port_unusable" in caplog.text


def test_without_the_setting_there_is_no_port():
    assert metrics_server.start() is None
