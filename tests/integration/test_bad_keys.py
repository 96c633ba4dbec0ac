"""Every key that is not good gets the same answer after the same work, and no key is ever told to anybody."""

import json
import logging
import random
import statistics
import sys
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pydantic import SecretStr

from tenants import keys
from tenants.auth import KeyAuthentication
from tenants.lifecycle import create_key, revoke_key
from tenants.models import ApiKey
from tests.answers import problem_of
from tests.conftest import Api, secret_of

MESSAGES = "/v1/messages"
KEYS = "/v1/admin/keys"
ROUNDS, TRIES = 60, 4


def bad_keys(tenant) -> dict[str, str]:
    """One of each kind. `elsewhere` is good at another address, and is being used there."""
    now = timezone.now()
    made = {
        "revoked": create_key(tenant=tenant, scopes=["read"]),
        "expired": create_key(tenant=tenant, scopes=["read"], expires_at=now - timedelta(seconds=1)),
        "elsewhere": create_key(tenant=tenant, scopes=["read"], allowed_networks=["203.0.113.7"]),
        "wrong secret": create_key(tenant=tenant, scopes=["read"]),
    }
    revoke_key(key=made["revoked"][0])
    plain = {kind: key for kind, (_, key) in made.items()}
    plain["wrong secret"] = plain["wrong secret"][:-1] + ("a" if plain["wrong secret"][-1] != "a" else "b")
    use_elsewhere(plain["elsewhere"])
    return plain | {"unknown": keys.make().plain, "malformed": "x", "long": "x" * 4000}


def use_elsewhere(plain: str) -> None:
    assert Api(plain).client.get(MESSAGES, HTTP_X_API_KEY=plain, REMOTE_ADDR="203.0.113.7").status_code == 200


def test_it_works(acme):
    bodies, headers = set(), set()
    for key in bad_keys(acme).values():
        answer = Api(key).get(MESSAGES)
        body = problem_of(answer, 401)
        bodies.add(answer.content.replace(body["request_id"].encode(), b""))
        headers.add(json.dumps({name: text for name, text in answer.items() if name != "X-Request-ID"}))
    assert len(bodies) == len(headers) == 1


def test_a_refusal_takes_one_look_at_the_database_whatever_its_reason(acme):
    looks = {}
    for kind, key in bad_keys(acme).items():
        with CaptureQueriesContext(connection) as queries:
            problem_of(Api(key).get(MESSAGES), 401)
        [query] = [each["sql"].partition("WHERE")[0] for each in queries]
        looks[kind] = query
    assert len(set(looks.values())) == 1


def test_a_refusal_takes_the_same_time_whatever_its_reason(acme):
    """CPU time of this thread, the kinds mixed: what else the machine does adds to all of them alike."""
    kinds, spread = bad_keys(acme), []
    for _ in range(TRIES):
        spread.append(_spread(kinds))
        if spread[-1] < 0.2:
            return
    pytest.fail(f"medians differ by {spread}")


def _spread(kinds: dict[str, str]) -> float:
    """(largest - smallest) / smallest of the median times of the kinds."""
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(ROUNDS):
        use_elsewhere(kinds["elsewhere"])
        for kind, key in random.sample(list(kinds.items()), len(kinds)):
            api = Api(key)
            started = time.thread_time()
            api.get(MESSAGES)
            times[kind].append(time.thread_time() - started)
    medians = [statistics.median(each) for each in times.values()]
    return max(medians) / min(medians) - 1


def test_a_refused_key_is_not_noted_as_used(acme):
    kinds = bad_keys(acme)
    before = {key.prefix: key.last_used_at for key in ApiKey.objects.all()}
    for key in kinds.values():
        problem_of(Api(key).get(MESSAGES), 401)
    assert {key.prefix: key.last_used_at for key in ApiKey.objects.all()} == before


@pytest.fixture
def everything_said(caplog, capfd) -> Callable[[], str]:
    """All that was logged, at MEMORY_LOG_LEVEL=DEBUG, and printed."""
    caplog.set_level(logging.DEBUG)
    return lambda: f"{caplog.text} {[vars(record) for record in caplog.records]} {capfd.readouterr()}"


def test_no_key_is_in_any_log_or_problem(manager, operator, acme, settings, everything_said):
    settings.ENV = settings.ENV.model_copy(
        update={"api_keys": [SecretStr("an-operator-key-of-the-environment")]}
    )
    new = manager.post(KEYS, {"scopes": ["read"]}).json()
    rotated = manager.post(f"{KEYS}/{new['prefix']}/rotate", {}).json()
    environment = "an-operator-key-of-the-environment"
    offered = [*bad_keys(acme).values(), new["key"], rotated["key"], environment, manager.key, operator.key]
    said = []
    for key in offered:
        api = Api(key)
        for answer in (
            api.get(MESSAGES, tenant_id=key),
            api.client.get(MESSAGES, HTTP_AUTHORIZATION=f"Bearer {key}"),
            api.post(MESSAGES, {"conversation_id": key, "role": key, "content": ""}),
            api.post(MESSAGES, key),
            api.post(KEYS, {"scopes": [key], "name": key, "expires_at": key, "allowed_networks": [key]}),
            api.get(f"{KEYS}/{key}"),
            api.delete(f"{KEYS}/{key}"),
            api.post(f"{KEYS}/{key}/rotate", {}),
            api.patch(f"/v1/admin/tenants/{key}", {"language": key}),
            api.get(f"/v1/{key}"),
            api.get(KEYS, cursor=key, state=key),
        ):
            assert answer.status_code >= 400 or answer.status_code == 200
            said.append(answer.content.decode())
    logged = everything_said()
    assert "request" in logged
    for key in offered:
        if len(secret_of(key)) > 1:
            assert secret_of(key) not in logged
            assert not [body for body in said if secret_of(key) in body]


def test_an_error_report_with_the_variables_of_every_function_holds_no_key(bot, everything_said, monkeypatch):
    """As Sentry and Django's own reports have it: the repr of each local variable on the way to an error."""
    reported = []

    def fail(*_: object) -> None:
        frame = sys._getframe()
        while frame := frame.f_back:
            if "/tenants/" in frame.f_code.co_filename or "/memory_layer/" in frame.f_code.co_filename:
                reported.append(f"{frame.f_code.co_name}: {frame.f_locals!r}")
        raise RuntimeError("an unexpected error")

    monkeypatch.setattr(ApiKey.objects, "usable", fail)
    problem_of(bot.get(MESSAGES), 500)
    assert {each.partition(":")[0] for each in reported} >= {"authenticate", "_key_holder"}
    assert secret_of(bot.key) not in str(reported)
    assert secret_of(bot.key) not in everything_said()


def test_nothing_that_stands_for_a_key_shows_it(acme, rf):
    key, plain = create_key(tenant=acme, scopes=["read"])
    request = rf.get(MESSAGES, HTTP_X_API_KEY=plain)
    caller, _ = KeyAuthentication().authenticate(request)
    shown = f"{key!r} {key} {caller!r} {keys.offered(plain)!r} {request!r}"
    assert secret_of(plain) not in shown
