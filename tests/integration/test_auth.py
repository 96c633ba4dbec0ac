"""Who may come in, and to what: keys, scopes, tenants, operators, open access."""

from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pydantic import SecretStr

from memories.models import Message
from tenants import keys
from tenants.lifecycle import create_key
from tenants.models import ApiKey, Scope, Tenant
from tests.answers import problem_of
from tests.conftest import Api
from tests.factories import remember

HELLO = {"conversation_id": "conv-1", "role": "user", "content": "hello"}
MESSAGES = "/v1/messages"


def bearer(key: str, path: str = MESSAGES):
    return Api().client.get(path, HTTP_AUTHORIZATION=f"Bearer {key}")


def test_it_works(bot):
    assert bot.get(MESSAGES).status_code == 200
    assert bearer(bot.key).status_code == 200
    lower = Api().client.get(MESSAGES, HTTP_AUTHORIZATION=f"bearer  {bot.key} ")
    assert lower.status_code == 200


@pytest.mark.parametrize("header", [None, "Basic YTpi", "Bearer", "Bearer ", "Token x", ""])
def test_without_a_key_it_says_how_to_send_one(stranger, header):
    headers = {} if header is None else {"HTTP_AUTHORIZATION": header}
    answer = stranger.client.get(MESSAGES, **headers)
    assert "X-API-Key" in problem_of(answer, 401)["detail"]
    assert answer["WWW-Authenticate"].startswith("Bearer ")


def bad_keys(tenant: Tenant) -> list[str]:
    """Malformed ones, an unknown one, a revoked one, an expired one, and a known prefix with another secret."""
    now = timezone.now()
    revoked, expired, other = (create_key(tenant=tenant, scopes=["read"]) for _ in range(3))
    ApiKey.objects.filter(pk=revoked[0].pk).update(revoked_at=now)
    ApiKey.objects.filter(pk=expired[0].pk).update(expires_at=now)
    wrong = other[1][:-1] + ("a" if other[1][-1] != "a" else "b")
    malformed = ["x", "mlk_", "ключ", "x" * 5000, other[1].upper()]
    return [*malformed, keys.make().plain, revoked[1], expired[1], wrong]


def test_every_bad_key_gets_the_same_answer(acme):
    bodies = set()
    for key in bad_keys(acme):
        answer = Api(key).get(MESSAGES)
        body = problem_of(answer, 401)
        assert answer["WWW-Authenticate"].startswith("Bearer ")
        bodies.add(answer.content.replace(body["request_id"].encode(), b""))
    assert len(bodies) == 1


def test_a_key_works_until_it_expires(acme):
    now = timezone.now()
    _, plain = create_key(tenant=acme, scopes=["read"], expires_at=now + timedelta(hours=1))
    assert Api(plain).get(MESSAGES).status_code == 200
    with time_machine.travel(now + timedelta(hours=1), tick=False):
        problem_of(Api(plain).get(MESSAGES), 401)


def test_a_reader_cannot_write(reader, acme):
    [message] = remember(acme, "hello")
    path = f"{MESSAGES}/{message.id}"
    for answer in (
        reader.post(MESSAGES, HELLO),
        reader.post(f"{MESSAGES}/batch", {"messages": [HELLO]}),
        reader.patch(path, {"pinned": True}),
        reader.delete(path),
    ):
        assert "'write'" in problem_of(answer, 403)["detail"]
    assert Message.objects.for_tenant(acme.id).get().pinned is False
    assert reader.get(path).status_code == reader.get("/v1/memory/search", query="hello").status_code == 200


def test_a_writer_without_read_cannot_read(acme):
    writer = Api(create_key(tenant=acme, scopes=["write"])[1])
    assert writer.post(MESSAGES, HELLO).status_code == 201
    assert "'read'" in problem_of(writer.get(MESSAGES), 403)["detail"]


def test_a_tenants_key_needs_no_tenant_id_and_may_say_it(bot):
    assert bot.post(MESSAGES, HELLO).status_code == 201
    assert bot.post(MESSAGES, {**HELLO, "tenant_id": "acme"}).status_code == 201
    assert len(bot.get(MESSAGES, tenant_id="acme").json()["messages"]) == 2


def test_another_tenants_key_does_not_learn_whether_a_tenant_exists(outsider, acme):
    answers = []
    for name in (acme.name, "nobody"):
        answers += [
            outsider.get(MESSAGES, tenant_id=name),
            outsider.get("/v1/memory/search", tenant_id=name, query="a"),
            outsider.post(MESSAGES, {**HELLO, "tenant_id": name}),
            outsider.post(f"{MESSAGES}/batch", {"tenant_id": name, "messages": [HELLO]}),
            outsider.post(f"{MESSAGES}/batch", {"messages": [{**HELLO, "tenant_id": name}]}),
        ]
    assert {problem_of(answer, 403)["detail"] for answer in answers} == {
        "The API key does not belong to this tenant."
    }
    assert not Tenant.objects.filter(name="nobody").exists()


def test_an_operator_must_name_a_tenant_that_exists(operator, acme):
    assert operator.get(MESSAGES, tenant_id="acme").status_code == 200
    assert "tenant_id" in problem_of(operator.get(MESSAGES), 404)["detail"]
    assert "no such tenant" in problem_of(operator.get(MESSAGES, tenant_id="nobody"), 404)["detail"]
    assert not Tenant.objects.filter(name="nobody").exists()


def test_an_operators_write_creates_the_tenant(operator):
    assert operator.post(MESSAGES, {**HELLO, "tenant_id": "new"}).status_code == 201
    assert operator.post(f"{MESSAGES}/batch", {"tenant_id": "new", "messages": [HELLO]}).status_code == 201
    assert Message.objects.for_tenant(Tenant.objects.get(name="new").id).count() == 2


@pytest.mark.parametrize("values", [{"tenant_auto_create": False}, {"env": "production"}])
def test_an_operators_write_creates_no_tenant_where_that_is_off(operator, configure, values):
    configure(**values)
    assert (
        "create_tenant" in problem_of(operator.post(MESSAGES, {**HELLO, "tenant_id": "new"}), 404)["detail"]
    )
    assert not Tenant.objects.exists()


def test_a_refused_write_creates_no_tenant(operator):
    problem_of(operator.post(MESSAGES, {**HELLO, "tenant_id": "new", "role": "x"}), 400)
    assert not Tenant.objects.exists()


def test_keys_of_the_environment_are_operators(stranger, acme, configure):
    configure(api_keys=[SecretStr("first-operator-key"), SecretStr("second-operator-key")])
    for key in ("first-operator-key", "second-operator-key"):
        assert Api(key).get(MESSAGES, tenant_id="acme").status_code == 200
    problem_of(Api("first-operator-ke").get(MESSAGES, tenant_id="acme"), 401)


def test_open_access_ends_with_the_first_stored_key(stranger, configure):
    configure(open_access=True)
    assert stranger.post(MESSAGES, {**HELLO, "tenant_id": "test"}).status_code == 201
    assert stranger.get("/v1/admin/health").status_code in (200, 503)
    problem_of(Api("wrong-key").get(MESSAGES, tenant_id="test"), 401)
    key, _ = create_key(tenant=Tenant.objects.get(name="test"), scopes=["read"])
    problem_of(stranger.get(MESSAGES, tenant_id="test"), 401)
    key.revoked_at = timezone.now()
    key.save()
    problem_of(stranger.get(MESSAGES, tenant_id="test"), 401)


def test_open_access_is_closed_by_a_key_of_the_environment(stranger, acme, configure):
    configure(open_access=True, api_keys=[SecretStr("first-operator-key")])
    problem_of(stranger.get(MESSAGES, tenant_id="acme"), 401)


def test_a_suspended_tenant_is_refused_to_everybody_and_keeps_its_messages(bot, operator, acme):
    bot.post(MESSAGES, HELLO)
    acme.suspended_at = timezone.now()
    acme.save()
    for answer in (bot.get(MESSAGES), bot.post(MESSAGES, HELLO), operator.get(MESSAGES, tenant_id="acme")):
        assert "suspended" in problem_of(answer, 403)["detail"]
    acme.suspended_at = None
    acme.save()
    assert len(bot.get(MESSAGES).json()["messages"]) == 1


def test_admin_pages_are_for_operators_with_the_admin_scope(acme):
    tenants_admin = Api(create_key(tenant=acme, scopes=Scope.values)[1])
    half_an_operator = Api(create_key(tenant=None, scopes=["read", "write"])[1])
    for path in ("/v1/admin/health", "/metrics"):
        assert "operator" in problem_of(tenants_admin.get(path), 403)["detail"]
        assert "'admin'" in problem_of(half_an_operator.get(path), 403)["detail"]


def test_the_last_use_is_noted_at_most_once_a_minute(bot):
    start = timezone.now()
    noted = []
    for seconds in (0, 30, 59, 61, 90):
        with time_machine.travel(start + timedelta(seconds=seconds), tick=False):
            bot.get(MESSAGES)
        noted.append(round((ApiKey.objects.get().last_used_at - start).total_seconds()))
    assert noted == [0, 0, 0, 61, 61]


def test_a_use_within_the_minute_writes_nothing(bot):
    bot.get(MESSAGES)
    with CaptureQueriesContext(connection) as queries:
        bot.get(MESSAGES)
    assert not [query["sql"] for query in queries if not query["sql"].lstrip("( ").startswith("SELECT")]


def test_a_bad_key_is_not_noted(acme):
    key, plain = create_key(tenant=acme, scopes=["read"], expires_at=timezone.now())
    problem_of(Api(plain).get(MESSAGES), 401)
    assert ApiKey.objects.get(pk=key.pk).last_used_at is None
