"""What the API does without, because it costs every request: middleware for people, parsing `Accept`."""

import os

import pytest

from tests.answers import problem_of

LIST = "/v1/messages"


def test_the_api_knows_no_sessions(bot, root):
    answer = bot.get(LIST)
    assert answer.status_code == 200
    assert not answer.cookies
    assert not hasattr(answer.wsgi_request, "session")
    assert root.get(LIST).status_code == 401, "who is logged in to the admin is nobody here"
    assert root.get("/admin/").status_code == 200


@pytest.mark.parametrize("accepted", ["*/*", "application/json", "text/html, */*;q=0.1"])
def test_a_client_that_takes_json_gets_it(bot, accepted):
    answer = bot.client.get(LIST, headers={"accept": accepted, "x-api-key": bot.key})
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"


def test_one_that_does_not_is_told_so(bot):
    problem_of(bot.client.get(LIST, headers={"accept": "text/html", "x-api-key": bot.key}), 406)
    problem_of(bot.get(LIST, format="xml"), 404)


def test_gauges_of_dead_processes_go_at_the_next_scrape(operator, tmp_path, monkeypatch):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    dead, counted = tmp_path / "gauge_livesum_4194999.db", tmp_path / f"gauge_livesum_{os.getpid()}.db"
    dead.touch()
    counted.write_bytes(b"\0" * 8)
    assert operator.get("/metrics").status_code == 200
    assert not dead.exists()
    assert counted.exists()
