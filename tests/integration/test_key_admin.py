"""Keys and tenants in the Django admin: issued once, rotated, revoked, filtered; no digest anywhere."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.urls import reverse
from django.utils import timezone

from tenants import lifecycle
from tenants.admin import KeyForm
from tenants.models import ApiKey
from tests.answers import problem_of
from tests.conftest import Api, secret_of

LIST, ADD = reverse("admin:tenants_apikey_changelist"), reverse("admin:tenants_apikey_add")
TENANTS = reverse("admin:tenants_tenant_changelist")
MESSAGES = "/v1/messages"
KEY = re.compile(r"mlk_[a-z0-9]{12}_[A-Za-z0-9_-]{43}")


def change(key: ApiKey) -> str:
    return reverse("admin:tenants_apikey_change", args=[key.pk])


def act(root, action: str, *keys: ApiKey):
    return root.post(LIST, {"action": action, "_selected_action": [key.pk for key in keys]})


def test_it_works(root, acme):
    form = {
        "tenant": acme.pk,
        "name": "the bot",
        "scopes": ["read", "write"],
        "allowed_networks": "127.0.0.0/8",
        "reads_per_minute": "7",
    }
    answer = root.post(ADD, form)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    [plain] = set(KEY.findall(answer.content.decode()))
    assert Api(plain).get(MESSAGES).status_code == 200
    key = ApiKey.objects.get()
    assert (key.tenant, key.name, key.scopes) == (acme, "the bot", ["read", "write"])
    assert (key.allowed_networks, key.reads_per_minute) == (["127.0.0.0/8"], 7)


def test_a_new_key_is_shown_once_and_kept_nowhere(root, acme):
    answer = root.post(ADD, {"tenant": acme.pk, "scopes": ["read"]})
    secret = secret_of(KEY.findall(answer.content.decode())[0])
    key = ApiKey.objects.get()
    pages = [root.get(path).content.decode() for path in (LIST, change(key), ADD, "/admin/")]
    kept = [*LogEntry.objects.values(), *Session.objects.values(), *ApiKey.objects.values()]
    assert secret not in f"{pages} {kept} {root.cookies}"
    assert [
        session.get_decoded() for session in Session.objects.all() if secret in str(session.get_decoded())
    ] == []
    assert bytes(key.digest).hex() not in str(pages)
    assert "digest" not in str(pages)


def test_without_a_tenant_it_is_an_operators_key(root, acme):
    answer = root.post(ADD, {"scopes": ["read"]})
    [plain] = set(KEY.findall(answer.content.decode()))
    assert Api(plain).get(MESSAGES, tenant_id="acme").status_code == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"scopes": []},
        {"scopes": ["everything"]},
        {"allowed_networks": "10.0.0.1/8"},
        {"allowed_networks": "10.0.0.0/8,example.com"},
        {"expires_at_0": "2020-01-01", "expires_at_1": "00:00:00"},
        {"tenant": "999999"},
    ],
    ids=str,
)
def test_what_the_api_refuses_is_refused(root, fields):
    answer = root.post(ADD, {"scopes": ["read"], **fields})
    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()
    assert not ApiKey.objects.exists()


def test_a_key_is_limited_but_neither_moved_nor_brought_back(root, acme, globex):
    key, plain = lifecycle.create_key(tenant=acme, scopes=["read", "write"])
    lifecycle.revoke_key(key=key)
    form = {"tenant": globex.pk, "name": "new", "scopes": ["read"], "revoked_at_0": "", "revoked_at_1": ""}
    assert root.post(change(key), form).status_code == 302
    key.refresh_from_db()
    assert (key.tenant, key.name, key.scopes, key.revoked_at is None) == (acme, "new", ["read"], False)
    problem_of(Api(plain).get(MESSAGES), 401)


def test_a_key_revoked_while_its_page_is_saved_stays_revoked(root, acme, monkeypatch):
    key, _ = lifecycle.create_key(tenant=acme, scopes=["read"])

    def revoked_meanwhile(form):
        lifecycle.revoke_key(key=key)

    monkeypatch.setattr(KeyForm, "clean", revoked_meanwhile)
    assert root.post(change(key), {"name": "new", "scopes": ["read"]}).status_code == 302
    key.refresh_from_db()
    assert (key.name, key.revoked_at is None) == ("new", False)


def test_a_selection_is_revoked(root, acme):
    made = [lifecycle.create_key(tenant=acme, scopes=["read"]) for _ in range(3)]
    assert act(root, "revoke", made[0][0], made[1][0]).status_code == 302
    assert [Api(plain).get(MESSAGES).status_code for _, plain in made] == [401, 401, 200]
    assert LogEntry.objects.filter(change_message="Revoked.").count() == 2


def test_a_selection_is_rotated(root, acme):
    old, plain = lifecycle.create_key(tenant=acme, scopes=["read"], name="bot")
    dead, _ = lifecycle.create_key(tenant=acme, scopes=["read"])
    lifecycle.revoke_key(key=dead)
    answer = act(root, "rotate", old, dead)
    page = answer.content.decode()
    [new] = set(KEY.findall(page))
    assert "no-store" in answer["Cache-Control"]
    assert f"Not rotated: {dead}. The key is revoked" in page
    assert [Api(key).get(MESSAGES).status_code for key in (plain, new)] == [200, 200]
    old.refresh_from_db()
    assert timezone.now() < old.expires_at <= timezone.now() + timedelta(days=1)
    again = act(root, "rotate", old, dead)
    assert again.status_code == 302
    assert ApiKey.objects.count() == 3


@pytest.mark.parametrize("state", ["active", "revoked", "expired"])
def test_the_list_filters_by_state(root, acme, state):
    made = {
        each: lifecycle.create_key(tenant=acme, scopes=["read"])[0]
        for each in ("active", "revoked", "expired")
    }
    lifecycle.revoke_key(key=made["revoked"])
    ApiKey.objects.filter(pk=made["expired"].pk).update(expires_at=timezone.now())
    page = root.get(LIST, {"state": state}).content.decode()
    assert [each for each in made if str(made[each]) in page] == [state]
    assert all(str(key) in root.get(LIST, {"state": "asleep"}).content.decode() for key in made.values())


def test_suspended_tenants_are_filtered(root, acme, globex):
    lifecycle.set_suspended(tenant=acme, suspended=True)
    for state, shown, hidden in (("suspended", "acme", "globex"), ("active", "globex", "acme")):
        page = root.get(TENANTS, {"state": state}).content.decode()
        assert f">{shown}</a>" in page
        assert f">{hidden}</a>" not in page


def test_who_may_only_look_issues_and_ends_nothing(root, acme, django_user_model, client):
    from django.contrib.auth.models import Permission

    key, _ = lifecycle.create_key(tenant=acme, scopes=["read"])
    auditor = django_user_model.objects.create(username="auditor", is_staff=True)
    auditor.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(auditor)
    assert client.get(LIST).status_code == 200
    assert client.post(ADD, {"scopes": ["read"]}).status_code == 403
    for action in ("revoke", "rotate"):
        act(client, action, key)
    assert ApiKey.objects.get().state(timezone.now()) == "active"
