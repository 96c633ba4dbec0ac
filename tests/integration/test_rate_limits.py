"""Rate limits through the API: exact, apart for reads and writes, all or nothing, for tenants and keys."""

import re
import subprocess
import sys
from collections import Counter
from itertools import chain

import pytest
from django.core.cache import cache
from django.db import IntegrityError, transaction
from prometheus_client import REGISTRY

from tenants.lifecycle import create_key
from tenants.models import ApiKey, Tenant
from tests.answers import problem_of
from tests.at_once import at_once
from tests.conftest import Api
from tests.factories import remember
from tests.integration.test_isolation import BODIES, call, operations

LIST, STORE, SEARCH = "/v1/messages", "/v1/messages", "/v1/memory/search"
TENANTS, KEYS, AUDIT = "/v1/admin/tenants", "/v1/admin/keys", "/v1/admin/audit"
HELLO = {"conversation_id": "c", "role": "user", "content": "hello"}
# Of 120 units one grows back in 30 s: none while a test runs.
SLOW = {"burst_seconds": 3600}


def limit(tenant: Tenant, **limits) -> None:
    """By save(), which lets this process forget how the tenant was."""
    for name, value in (SLOW | limits).items():
        setattr(tenant, name, value)
    tenant.save()


def batch(count: int) -> dict:
    return {"messages": [HELLO] * count}


def left(answer, name: str) -> int:
    return int(re.search(rf'"{name}";r=(\d+);t=\d+', answer["RateLimit"])[1])


def refusals(budget: str) -> float:
    return REGISTRY.get_sample_value("memory_rate_limit_refusals_total", {"budget": budget}) or 0.0


def test_it_works(bot, acme):
    limit(acme, reads_per_minute=2)
    before = refusals("reads")
    answers = [bot.get(LIST) for _ in range(121)]
    assert [answer.status_code for answer in answers] == [200] * 120 + [429]
    assert {answer["RateLimit-Policy"] for answer in answers} == {'"tenant-reads";q=120;w=3600'}
    assert [left(answer, "tenant-reads") for answer in answers] == [*range(119, -1, -1), 0]
    refused = answers[-1]
    said = problem_of(refused, 429)
    assert said["type"].endswith("rate-limit-exceeded")
    assert "tenant's limit of 2 reads a minute" in said["detail"]
    assert 25 <= int(refused["Retry-After"]) <= 30
    assert refusals("reads") == before + 1


def test_without_limits_nothing_is_said_and_nothing_asked(bot, monkeypatch):
    monkeypatch.setattr("tenants.limits.take", None)
    assert "RateLimit" not in bot.get(LIST)
    assert bot.post(STORE, HELLO).status_code == 201


def test_reads_and_writes_are_apart_and_a_search_by_body_is_a_read(bot, acme):
    limit(acme, reads_per_minute=1, writes_per_minute=1, burst_seconds=60)
    assert bot.post(SEARCH, {"query": "tea"}).status_code == 200
    assert bot.get(LIST).status_code == 429
    assert bot.post(STORE, HELLO).status_code == 201
    assert bot.post(STORE, HELLO).status_code == 429


def test_a_batch_counts_its_messages_all_or_nothing(bot, acme):
    limit(acme, writes_per_minute=10, burst_seconds=60)
    assert bot.post(f"{STORE}/batch", batch(7)).status_code == 201
    refused = bot.post(f"{STORE}/batch", batch(4))
    problem_of(refused, 429)
    assert 1 <= int(refused["Retry-After"]) <= 6
    assert left(refused, "tenant-writes") == 3
    assert bot.post(f"{STORE}/batch", batch(3)).status_code == 201
    assert len(bot.get(LIST).json()["messages"]) == 10


def test_a_batch_that_no_waiting_would_help_is_told_how_large_it_may_be(bot, acme):
    limit(acme, writes_per_minute=10, burst_seconds=60)
    refused = bot.post(f"{STORE}/batch", batch(11))
    said = problem_of(refused, 413)
    assert "which is 10" in said["detail"]
    assert "Retry-After" not in refused
    assert left(bot.post(f"{STORE}/batch", batch(10)), "tenant-writes") == 0


def test_a_message_that_asks_for_its_context_is_a_write_and_a_read_or_neither(bot, acme):
    limit(acme, reads_per_minute=1, writes_per_minute=5, burst_seconds=60)
    both = bot.post(STORE, HELLO | {"return_context": True})
    assert (left(both, "tenant-reads"), left(both, "tenant-writes")) == (0, 4)
    refused = bot.post(STORE, HELLO | {"return_context": True})
    assert "reads" in problem_of(refused, 429)["detail"]
    assert left(bot.post(STORE, HELLO), "tenant-writes") == 3


def test_a_key_has_its_own_limit_inside_the_tenants(bot, acme):
    limit(acme, reads_per_minute=5, burst_seconds=60)
    key, plain = create_key(tenant=acme, scopes=["read"])
    key.reads_per_minute = 2
    key.save()
    limited = Api(plain)
    answers = [limited.get(LIST) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert "key's limit" in answers[-1].json()["detail"]
    assert left(answers[-1], "tenant-reads") == 3, "what the key may not is not taken from the tenant"
    assert bot.get(LIST).status_code == 200


def test_a_keys_limit_is_given_with_it_and_stays_when_it_is_rotated(manager):
    fields = {"scopes": ["read"], "reads_per_minute": 2, "writes_per_minute": 3}
    old = manager.post(KEYS, fields).json()
    rotated = manager.post(f"{KEYS}/{old['prefix']}/rotate", {}).json()
    for said in (old, rotated, manager.get(f"{KEYS}/{rotated['prefix']}").json()):
        assert (said["reads_per_minute"], said["writes_per_minute"]) == (2, 3)
    assert [Api(rotated["key"]).get(LIST).status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("wrong", [0, 1_000_001, "x", True, 1.5], ids=str)
def test_a_key_with_a_wrong_limit_is_not_issued(manager, wrong):
    problem_of(
        manager.post(KEYS, {"scopes": ["read"], "reads_per_minute": wrong}), 400, field="reads_per_minute"
    )


def test_an_administrator_is_charged_once_for_what_it_asks_of_tenants_and_keys(manager, acme):
    limit(acme, reads_per_minute=1000, writes_per_minute=1000, burst_seconds=1)
    prefix = ApiKey.objects.values_list("prefix", flat=True)[0]
    for path in (
        KEYS,
        f"{KEYS}?tenant_id=acme",
        f"{KEYS}/{prefix}",
        TENANTS,
        f"{TENANTS}/acme",
        AUDIT,
        f"{AUDIT}?tenant_id=acme",
    ):
        cache.clear()
        assert left(manager.get(path), "tenant-reads") == 15, path
    assert left(manager.post(KEYS, {"scopes": ["read"]}), "tenant-writes") == 15


def test_what_an_operator_asks_counts_for_the_tenant_that_it_names(bot, operator, acme, globex):
    limit(acme, reads_per_minute=1, burst_seconds=60)
    assert operator.get(LIST, tenant_id="acme").status_code == 200
    assert bot.get(LIST).status_code == 429
    assert operator.get(LIST, tenant_id="acme").status_code == 429
    assert operator.get(LIST, tenant_id="globex").status_code == 200


def test_errors_say_what_is_left_too(bot, acme):
    limit(acme, reads_per_minute=3, burst_seconds=60)
    missing = bot.get(f"{LIST}/01932c07-2f1c-7c3e-8f00-000000000001")
    problem_of(missing, 404)
    assert left(missing, "tenant-reads") == 2


def test_no_operation_on_a_tenant_forgets_its_limit(acme, manager, operator):
    limit(acme, reads_per_minute=1000, writes_per_minute=1000)
    [message] = remember(acme, "green tea", user_id="mia")
    counted = set()
    for path, method in operations(operator.get("/openapi.json").json()):
        answer = call(manager, method, path, message, None)
        if answer.status_code not in (400, 403):  # wrong input, or the operator's: no tenant was asked for
            assert "RateLimit" in answer, (method, path, answer.status_code)
            counted.add(path)
    assert counted >= {path for path in BODIES if not path.startswith("/v1/admin")}


def test_a_tenant_without_a_limit_of_its_own_has_the_installations(bot, outsider, globex, settings):
    settings.ENV = settings.ENV.model_copy(update={"rate_limit_reads_per_minute": 1})
    limit(globex, reads_per_minute=0)
    assert [bot.get(LIST).status_code for _ in range(2)] == [200, 429]
    answers = [outsider.get(LIST) for _ in range(3)]
    assert all(answer.status_code == 200 and "RateLimit" not in answer for answer in answers)


def test_a_raised_limit_counts_at_once(bot, acme):
    limit(acme, reads_per_minute=1)
    while bot.get(LIST).status_code == 200:
        pass
    assert int(bot.get(LIST)["Retry-After"]) > 50
    limit(acme, reads_per_minute=20)
    assert int(bot.get(LIST)["Retry-After"]) <= 3


def test_redis_may_forget_the_script(bot, acme, redis_client):
    limit(acme, reads_per_minute=1)
    bot.get(LIST)
    redis_client.script_flush()
    assert left(bot.get(LIST), "tenant-reads") == 58


def test_nothing_is_kept_of_a_budget_that_is_full_again(bot, acme, redis_client):
    limit(acme, reads_per_minute=1000, burst_seconds=60)
    bot.get(LIST)
    [key] = redis_client.keys("*rate:*")
    assert 0 < redis_client.pttl(key) <= 60


@pytest.mark.django_db(transaction=True)
def test_as_many_as_are_allowed_pass_at_once(acme, bot):
    limit(acme, reads_per_minute=2, burst_seconds=3000)

    def work() -> list[int]:
        mine = Api(bot.key)
        return [mine.get(LIST).status_code for _ in range(25)]

    seen = chain(*at_once(*[work] * 32))
    assert Counter(seen) == {200: 100, 429: 700}


PROCESS = """
import sys, django
django.setup()
from tenants.limits import Meter, RateLimitExceeded, charge
from tenants.models import Tenant
tenant, passed = Tenant(id=7, reads_per_minute=2, burst_seconds=3000), 0
print("ready", flush=True)
sys.stdin.readline()
for _ in range(400):
    try:
        charge(tenant=tenant, key=None, meter=Meter(), units={"reads": 1})
        passed += 1
    except RateLimitExceeded:
        pass
print(passed)
"""


def test_as_many_as_are_allowed_pass_in_two_processes(redis_client):
    command = [sys.executable, "-c", PROCESS]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 2
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    passed = [int(process.communicate()[0]) for process in processes]
    assert sum(passed) == 100
    assert all(passed), "they took turns"


IMPOSSIBLE = [
    {"reads_per_minute": -1},
    {"writes_per_minute": 1_000_001},
    {"burst_seconds": 0},
    {"message_quota": -1},
    {"byte_quota": 10**16},
]


@pytest.mark.parametrize("fields", IMPOSSIBLE, ids=str)
def test_the_database_takes_no_wrong_limits_from_anybody(acme, fields):
    with pytest.raises(IntegrityError), transaction.atomic():
        Tenant.objects.update(**fields)


def test_nor_for_a_key(bot):
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.update(reads_per_minute=0)
