"""GET /v1/admin/audit: searched by who, what, which and when; each tenant's administrator sees its own."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tenants.lifecycle import create_key
from tenants.models import Scope
from tests.answers import problem_of
from tests.conftest import Api
from tests.factories import remember

AUDIT = "/v1/admin/audit"


def found(api: Api, **params) -> list[dict]:
    answer = api.get(AUDIT, **params)
    assert answer.status_code == 200, answer.content
    return answer.json()["events"]


def actions(api: Api, **params) -> list[str]:
    return [event["action"] for event in found(api, **params)]


@pytest.fixture
def message(manager, acme):
    """Edited, then deleted, by acme's manager."""
    [message] = remember(acme, "tea")
    manager.patch(f"/v1/messages/{message.id}", {"pinned": True})
    manager.delete(f"/v1/messages/{message.id}")
    return message


def test_it_works(manager, message):
    newest, *_ = found(manager)
    assert newest.pop("id") > 0
    assert newest.pop("at").startswith(str(timezone.now().year))
    assert len(newest.pop("actor")) == 12
    assert newest.pop("request_id")
    assert newest == {
        "action": "message.delete",
        "tenant_id": "acme",
        "actor_kind": "key",
        "object_kind": "message",
        "object_id": str(message.id),
        "changes": {},
    }


def test_a_tenants_administrator_sees_that_tenants_events_only(manager, operator, message, globex):
    other = Api(create_key(tenant=globex, scopes=Scope.values)[1])
    assert actions(other) == ["key.issue"]
    assert actions(manager) == ["message.delete", "message.edit", "key.issue"]
    problem_of(other.get(AUDIT, tenant_id="acme"), 404)
    problem_of(other.get(AUDIT, tenant_id="nobody"), 404)
    assert len(found(operator)) == 5
    assert actions(operator, tenant_id="globex") == ["key.issue"]
    assert {event["tenant_id"] for event in found(operator)} == {"acme", "globex", None}


@pytest.mark.parametrize("who", ["bot", "reader", "stranger"])
def test_only_administrators_see_it(request, acme, who, operator):
    api = request.getfixturevalue(who)
    problem_of(api.get(AUDIT), 401 if who == "stranger" else 403)


def test_it_is_searched_by_action_actor_object_and_time(manager, operator, message, acme):
    prefix = operator.post("/v1/admin/keys", {"tenant_id": "acme", "scopes": ["read"]}).json()["prefix"]
    operator.delete(f"/v1/admin/keys/{prefix}")
    now = timezone.now()
    before, after = (now - timedelta(hours=1)).isoformat(), (now + timedelta(hours=1)).isoformat()
    assert actions(manager, action="message.edit") == ["message.edit"]
    assert actions(manager, object=str(message.id)) == ["message.delete", "message.edit"]
    assert actions(manager, object=prefix) == ["key.revoke", "key.issue"]
    actor = found(manager, action="message.edit")[0]["actor"]
    assert actions(manager, actor=actor) == ["message.delete", "message.edit"]
    assert len(found(manager, since=before, until=after)) == 5
    assert found(manager, since=after) == found(manager, until=before) == []
    moment = found(manager, action="message.edit")[0]["at"]
    assert actions(manager, since=moment, action="message.edit") == ["message.edit"]
    assert actions(manager, until=moment, action="message.edit") == []


def test_pages_meet_each_event_once(manager, message):
    seen, cursor = [], {}
    while True:
        body = manager.get(AUDIT, limit=1, **cursor).json()
        seen += [event["action"] for event in body["events"]]
        if body["next"] is None:
            break
        cursor = {"cursor": body["next"]}
    assert seen == actions(manager)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"action": "tenant.explode"}, "action"),
        ({"since": "yesterday"}, "since"),
        ({"until": "2026-13-01"}, "until"),
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "MjAyNnwx"}, "cursor"),
        ({"actor": "x" * 256}, "actor"),
        ({"object": "a\0b"}, "object"),
        ({"objekt": "7"}, "objekt"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(manager, params, field):
    problem = problem_of(manager.get(AUDIT, **params), 400)
    assert [error["field"] for error in problem["errors"]] == [field]


@pytest.mark.parametrize("method", ["post", "patch", "delete"])
def test_nobody_writes_to_it(operator, method):
    send = getattr(operator, method)
    problem_of(send(AUDIT) if method == "delete" else send(AUDIT, {}), 405)
