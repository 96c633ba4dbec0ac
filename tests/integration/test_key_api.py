"""Keys through the API: issue, list, read, revoke, rotate; by operators, and by a tenant's own administrator."""

import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from tenants.lifecycle import create_key
from tenants.models import ApiKey
from tests.answers import problem_of
from tests.conftest import Api, secret_of

KEYS = "/v1/admin/keys"
MESSAGES = "/v1/messages"
DAY = 24 * 60 * 60


def issue(api: Api, **fields) -> dict:
    answer = api.post(KEYS, {"scopes": ["read"], **fields})
    assert answer.status_code == 201, answer.content
    assert answer["Cache-Control"] == "no-store"
    return answer.json()


def works(plain: str) -> bool:
    return Api(plain).get(MESSAGES).status_code == 200


def test_it_works(manager, acme):
    new = issue(manager, name="the bot")
    plain = new.pop("key")
    assert works(plain)
    assert plain.startswith(f"mlk_{new['prefix']}_")
    assert (new["tenant_id"], new["name"], new["scopes"], new["state"]) == (
        "acme",
        "the bot",
        ["read"],
        "active",
    )
    shown = manager.get(f"{KEYS}/{new['prefix']}").json()
    assert shown.pop("last_used_at")
    assert shown == {name: value for name, value in new.items() if name != "last_used_at"}
    assert manager.delete(f"{KEYS}/{new['prefix']}").status_code == 204
    assert not works(plain)
    assert manager.get(f"{KEYS}/{new['prefix']}").json()["state"] == "revoked"


def test_a_secret_is_shown_once_and_kept_nowhere(manager):
    new = issue(manager)
    secret = secret_of(new["key"])
    for answer in (manager.get(KEYS), manager.get(f"{KEYS}/{new['prefix']}")):
        assert secret not in answer.content.decode()
        assert "digest" not in answer.content.decode()
    assert secret not in str(list(ApiKey.objects.values()))


def test_an_operator_names_a_tenant_or_makes_an_operators_key(operator, acme):
    of_tenant, of_operator = issue(operator, tenant_id="acme"), issue(operator, operator=True)
    assert (of_tenant["tenant_id"], of_tenant["operator"]) == ("acme", False)
    assert (of_operator["tenant_id"], of_operator["operator"]) == (None, True)
    assert Api(of_operator["key"]).get(MESSAGES, tenant_id="acme").status_code == 200
    for body in ({}, {"tenant_id": "nobody"}):
        problem_of(operator.post(KEYS, {"scopes": ["read"], **body}), 404)
    problem_of(operator.post(KEYS, {"scopes": ["read"], "tenant_id": "acme", "operator": True}), 400)


WRONG = [
    ({"scopes": []}, "scopes"),
    ({"scopes": ["everything"]}, "scopes[0]"),
    ({"scopes": "read"}, "scopes"),
    ({"scopes": None}, "scopes"),
    ({"name": "x" * 256}, "name"),
    ({"name": "a\0b"}, "name"),
    ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
    ({"expires_at": "soon"}, "expires_at"),
    ({"expires_at": "9999-12-31T23:59:59-10:00"}, "expires_at"),
    ({"allowed_networks": ["10.0.0.1/8"]}, "allowed_networks[0]"),
    ({"allowed_networks": ["10.0.0.0/8", "example.com"]}, "allowed_networks[1]"),
    ({"allowed_networks": ["10.0.0.1"] * 101}, "allowed_networks"),
    ({"allowed_networks": "10.0.0.0/8"}, "allowed_networks"),
    ({"operator": "yes"}, "operator"),
    ({"scope": ["read"]}, "scope"),
    ({"digest": "00"}, "digest"),
]


@pytest.mark.parametrize(("fields", "field"), WRONG, ids=lambda value: str(value)[:60])
def test_a_wrong_field_is_named_and_makes_no_key(manager, fields, field):
    before = ApiKey.objects.count()
    problem_of(manager.post(KEYS, {"scopes": ["read"], **fields}), 400, field=field)
    problem_of(manager.post(KEYS, {}), 400, field="scopes")
    assert ApiKey.objects.count() == before


def test_nobody_gives_more_than_they_have(operator, acme):
    halves = [Api(create_key(tenant=tenant, scopes=["admin", "read"])[1]) for tenant in (acme, None)]
    strong, _ = create_key(tenant=acme, scopes=["read", "write", "admin"])
    before = ApiKey.objects.count()
    for half in halves:
        body = {"scopes": ["read", "write"], "tenant_id": "acme"}
        assert "lacks write" in problem_of(half.post(KEYS, body), 403)["detail"]
        problem_of(half.post(f"{KEYS}/{strong.prefix}/rotate", {}), 403)
        assert issue(half, scopes=["read", "admin"], tenant_id="acme")["scopes"] == ["admin", "read"]
    assert ApiKey.objects.count() == before + 2
    assert ApiKey.objects.get(pk=strong.pk).expires_at is None


def test_a_tenants_administrator_makes_no_operators_key(manager):
    problem_of(manager.post(KEYS, {"scopes": ["read"], "operator": True}), 403)
    assert not ApiKey.objects.filter(tenant=None).exists()


def test_a_foreign_key_is_missing_like_one_that_there_is_not(manager, globex):
    foreign, plain = create_key(tenant=globex, scopes=["read"])
    of_operator, _ = create_key(tenant=None, scopes=["read"])
    said = set()
    for prefix in (
        foreign.prefix,
        of_operator.prefix,
        "a1b2c3d4e5f6",
        "x",
        foreign.prefix.upper(),
        plain,
        "%00",
        "ä",
    ):
        for answer in (
            manager.get(f"{KEYS}/{prefix}"),
            manager.delete(f"{KEYS}/{prefix}"),
            manager.post(f"{KEYS}/{prefix}/rotate", {}),
        ):
            body = problem_of(answer, 404)
            said.add(answer.content.replace(body["request_id"].encode(), b""))
    assert len(said) == 1
    assert {key.state(timezone.now()) for key in ApiKey.objects.all()} == {"active"}
    problem_of(manager.post(KEYS, {"scopes": ["read"], "tenant_id": "globex"}), 404)
    problem_of(manager.get(KEYS, tenant_id="globex"), 404)


def test_a_tenants_administrator_lists_its_own(manager, operator, bot, outsider):
    assert {key["tenant_id"] for key in manager.get(KEYS).json()["keys"]} == {"acme"}
    assert manager.get(KEYS, operator="true").json()["keys"] == []
    assert len(operator.get(KEYS).json()["keys"]) == ApiKey.objects.count() == 4


def test_the_list_has_pages_and_filters(operator, acme, globex):
    made = [create_key(tenant=acme, scopes=["read"])[0].prefix for _ in range(5)]
    create_key(tenant=globex, scopes=["read"])
    ApiKey.objects.filter(prefix=made[0]).update(revoked_at=timezone.now())
    ApiKey.objects.filter(prefix=made[1]).update(expires_at=timezone.now())
    first = operator.get(KEYS, tenant_id="acme", limit=3).json()
    rest = operator.get(KEYS, tenant_id="acme", limit=3, cursor=first["next"]).json()
    assert [key["prefix"] for key in first["keys"] + rest["keys"]] == made[::-1]
    for state, prefixes in (("revoked", made[:1]), ("expired", made[1:2]), ("active", made[2:])):
        found = operator.get(KEYS, tenant_id="acme", state=state).json()["keys"]
        assert [(key["prefix"], key["state"]) for key in found] == [(each, state) for each in prefixes[::-1]]
    assert len(operator.get(KEYS, operator="true").json()["keys"]) == 1
    problem_of(operator.get(KEYS, state="asleep"), 400, field="state")


def test_a_rotation_gives_the_same_rights_and_time_to_change(manager, acme):
    old = issue(manager, name="bot", allowed_networks=["127.0.0.0/8"], scopes=["read", "write"])
    now = timezone.now()
    with time_machine.travel(now, tick=False) as clock:
        answer = manager.post(f"{KEYS}/{old['prefix']}/rotate", {})
        assert answer.status_code == 201
        assert answer["Cache-Control"] == "no-store"
        new = answer.json()
        rights = ("name", "allowed_networks", "scopes", "tenant_id", "expires_at")
        assert [new[each] for each in rights] == [old[each] for each in rights]
        assert new["replaces"] == old["prefix"]
        clock.shift(DAY - 1)
        assert works(old["key"])
        assert works(new["key"])
        clock.shift(1)
        assert not works(old["key"])
        assert works(new["key"])


def test_a_rotation_without_overlap_ends_the_old_one_at_once(manager):
    old = issue(manager)
    assert works(old["key"])
    new = manager.post(f"{KEYS}/{old['prefix']}/rotate", {"overlap_seconds": 0}).json()
    assert not works(old["key"])
    assert works(new["key"])


def test_a_key_that_ends_sooner_is_not_prolonged_and_its_successor_lives_as_long(manager):
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        old = issue(manager, expires_at=(now + timedelta(hours=1)).isoformat())
        ApiKey.objects.filter(prefix=old["prefix"]).update(created_at=now - timedelta(hours=9))
        new = manager.post(f"{KEYS}/{old['prefix']}/rotate", {}).json()
    ends = {key.prefix: key.expires_at - now for key in ApiKey.objects.exclude(expires_at=None)}
    assert ends == {old["prefix"]: timedelta(hours=1), new["prefix"]: timedelta(hours=10)}


def test_the_successor_of_a_key_for_eternity_has_a_date(manager):
    old = issue(manager, expires_at="9999-12-31T23:59:59Z")
    new = manager.post(f"{KEYS}/{old['prefix']}/rotate", {}).json()
    assert "2100" < new["expires_at"] < "2200"


def test_dead_and_replaced_keys_are_not_rotated(manager):
    revoked, expired, replaced = (issue(manager)["prefix"] for _ in range(3))
    manager.delete(f"{KEYS}/{revoked}")
    ApiKey.objects.filter(prefix=expired).update(expires_at=timezone.now())
    successor = manager.post(f"{KEYS}/{replaced}/rotate", {}).json()["prefix"]
    before = ApiKey.objects.count()
    for prefix, said in ((revoked, "revoked"), (expired, "expired"), (replaced, successor)):
        assert said in problem_of(manager.post(f"{KEYS}/{prefix}/rotate", {}), 409)["detail"]
    assert ApiKey.objects.count() == before
    assert manager.post(f"{KEYS}/{successor}/rotate", {}).status_code == 201


@pytest.mark.parametrize("overlap", [-1, 30 * DAY + 1, 1.5, "soon", None, 2**70])
def test_a_wrong_overlap_is_refused(manager, overlap):
    prefix = issue(manager)["prefix"]
    problem_of(
        manager.post(f"{KEYS}/{prefix}/rotate", {"overlap_seconds": overlap}), 400, field="overlap_seconds"
    )
    assert ApiKey.objects.get(prefix=prefix).expires_at is None


def test_a_key_may_rotate_and_revoke_itself(manager):
    prefix = ApiKey.objects.get().prefix
    new = manager.post(f"{KEYS}/{prefix}/rotate", {"overlap_seconds": 0}).json()
    problem_of(manager.get(KEYS), 401)
    assert Api(new["key"]).delete(f"{KEYS}/{new['prefix']}").status_code == 204
    problem_of(Api(new["key"]).get(KEYS), 401)


def test_a_key_deleted_meanwhile_is_missing(manager, monkeypatch):
    gone, _ = create_key(tenant=None, scopes=["read"])
    monkeypatch.setattr("tenants.authority.key_under", lambda *_: gone)
    ApiKey.objects.filter(pk=gone.pk).delete()
    problem_of(manager.delete(f"{KEYS}/{gone.prefix}"), 404)
    problem_of(manager.post(f"{KEYS}/{gone.prefix}/rotate", {}), 404)


def test_a_second_revocation_changes_nothing(manager):
    prefix = issue(manager)["prefix"]
    manager.delete(f"{KEYS}/{prefix}")
    before = ApiKey.objects.get(prefix=prefix).revoked_at
    assert manager.delete(f"{KEYS}/{prefix}").status_code == 204
    assert ApiKey.objects.get(prefix=prefix).revoked_at == before


def test_it_takes_the_scope_admin(bot, reader, stranger):
    prefix = ApiKey.objects.first().prefix
    for api, status in ((bot, 403), (reader, 403), (stranger, 401)):
        for answer in (
            api.get(KEYS),
            api.post(KEYS, {"scopes": ["read"]}),
            api.get(f"{KEYS}/{prefix}"),
            api.delete(f"{KEYS}/{prefix}"),
            api.post(f"{KEYS}/{prefix}/rotate", {}),
        ):
            problem_of(answer, status)
    assert ApiKey.objects.filter(revoked_at=None, expires_at=None).count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_two_rotations_at_the_same_time_one_is_refused(operator):
    prefix = issue(operator, operator=True)["prefix"]
    statuses = []

    def rotate() -> None:
        statuses.append(Api(operator.key).post(f"{KEYS}/{prefix}/rotate", {}).status_code)
        connection.close()

    threads = [threading.Thread(target=rotate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201, 409, 409, 409]


def test_the_first_key_may_be_issued_through_open_access_and_ends_it(stranger, settings, acme):
    settings.ENV = settings.ENV.model_copy(update={"open_access": True})
    plain = issue(stranger, operator=True, scopes=["read", "admin"])["key"]
    problem_of(stranger.get(KEYS), 401)
    assert Api(plain).get(KEYS).status_code == 200
