"""manage.py doctor about PostgreSQL and Redis that answer, and are not as they should be."""

import time

import psycopg
import pytest
import time_machine
from django.db import connection

from memory_layer.doctor import database
from tests.doctor import PRODUCTION, all_is_well, found


@pytest.fixture
def well(db):
    all_is_well()


def test_a_clock_that_is_wrong(well):
    with time_machine.travel(time.time() + 3600):
        assert "clock" in [area for area, *_ in found("error")]
    with time_machine.travel(time.time() + 10):
        assert [area for area, *_ in found("warning")] == ["clock"]


def test_more_threads_than_connections(well, configure):
    configure(web_workers=64, web_threads=64)
    [(area, says, _)] = found("error")
    assert (area, "64 x 64 web threads" in says) == ("connections", True)


@pytest.mark.parametrize("given", [{}, {"worker_concurrency": 7}])
def test_the_worker_s_processes_are_counted_as_it_starts_them(well, configure, settings, given):
    configure(**given)
    [says] = [says for area, says, _ in found("ok") if area == "connections"]
    assert f", {settings.ENV.worker_concurrency} worker processes and" in says


def own_server() -> dict:
    place = connection.get_connection_params()
    return {key: place[key] for key in ("dbname", "user", "host", "port", "password") if place.get(key)}


def test_a_transaction_that_is_left_open(well, monkeypatch):
    monkeypatch.setattr(database, "IDLE_SECONDS", 0)
    with psycopg.connect(**own_server(), application_name="forgetful") as other:
        other.execute("SELECT 1")
        [(area, says, mend)] = found("warning")
    assert (area, "forgetful, idle in transaction" in says) == ("transactions", True)
    assert "pg_terminate_backend" in mend


def test_an_index_that_is_not_valid(transactional_db, well, acme, globex):
    """As an interrupted or failed CREATE INDEX CONCURRENTLY leaves it."""
    with psycopg.connect(**own_server(), autocommit=True) as other:
        with pytest.raises(psycopg.errors.UniqueViolation):
            other.execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON tenants_tenant ((1))")
        try:
            assert found("error") == [
                ("indexes", "broken is not valid.", "REINDEX INDEX CONCURRENTLY broken.")
            ]
        finally:
            other.execute("DROP INDEX broken")


def say(monkeypatch, word: str, *row: object) -> None:
    """What PostgreSQL would say to the statement with that word, where it cannot be brought to say so here."""
    real = database._row
    monkeypatch.setattr(database, "_row", lambda sql, params=None: row if word in sql else real(sql, params))


@pytest.mark.parametrize(
    ("word", "row", "level", "mend"),
    [
        ("datcollversion", ("2.35", "2.36"), "warning", "REINDEX DATABASE"),
        ("server_version_num", (130_014, "13.14", "UTF8", "C", "on"), "error", "14 or later"),
        ("server_version_num", (180_000, "18.0", "SQL_ASCII", "C", "on"), "error", "ENCODING 'UTF8'"),
        ("server_version_num", (180_000, "18.0", "UTF8", "C", "off"), "error", "autovacuum = on"),
    ],
)
def test_a_server_that_is_not_fit(well, monkeypatch, word, row, level, mend):
    say(monkeypatch, word, *row)
    [(area, _, mended)] = found(level)
    assert (area, mend in mended) == ("server", True)


@pytest.mark.parametrize(
    ("superuser", "bypasses", "secured", "level"),
    [
        (True, False, 0, "warning"),
        (True, False, 12, "error"),
        (False, True, 12, "error"),
        (False, False, 12, "ok"),
    ],
)
def test_a_role_that_row_level_security_does_not_hold(
    well, configure, monkeypatch, superuser, bypasses, secured, level
):
    configure(**PRODUCTION)
    say(monkeypatch, "rolbypassrls", "memory", superuser, bypasses, secured)
    assert "role" in [area for area, *_ in found(level)]


@pytest.fixture
def redis_config(redis_client):
    before = {name: redis_client.config_get(name)[name] for name in ("maxmemory", "maxmemory-policy")}
    yield lambda **values: [
        redis_client.config_set(name.replace("_", "-"), value) for name, value in values.items()
    ]
    for name, value in before.items():
        redis_client.config_set(name, value)


def test_redis_that_may_throw_the_queue_away_or_is_full(well, redis_config, redis_client):
    redis_config(maxmemory=10**9, maxmemory_policy="allkeys-lru")
    assert ["allkeys-lru" in says for _, says, _ in found("warning")] == [True]
    used = redis_client.info("memory")["used_memory"]
    redis_config(maxmemory=int(used * 1.05), maxmemory_policy="noeviction")
    assert "redis" in [area for area, *_ in found("error")]
