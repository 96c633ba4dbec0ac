"""manage.py list_keys, rotate_key, revoke_key, suspend_tenant, resume_tenant, and the limits that create_key sets."""

import io
from datetime import timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone

from tenants.lifecycle import create_key
from tenants.models import ApiKey, Tenant
from tests.answers import problem_of
from tests.conftest import Api, secret_of

MESSAGES = "/v1/messages"


def run(*args: str) -> str:
    out = io.StringIO()
    call_command(*args, stdout=out)
    return out.getvalue()


def works(plain: str) -> bool:
    return Api(plain).get(MESSAGES).status_code == 200


def test_it_works(acme):
    old = run("create_key", "--tenant", "acme").strip()
    [line] = run("list_keys").splitlines()
    shown = line.split()[0]
    new = run("rotate_key", shown).strip()
    assert works(old)
    assert works(new)
    assert shown in run("revoke_key", shown)
    assert not works(old)
    assert works(new)


def test_a_key_has_an_end_and_networks(acme):
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        run(
            "create_key",
            "--tenant",
            "acme",
            "--expires-in-days",
            "0.5",
            "--allow",
            "10.0.0.0/8",
            "--allow",
            "::1",
        )
    key = ApiKey.objects.get()
    assert (key.expires_at - now, key.allowed_networks) == (timedelta(days=0.5), ["10.0.0.0/8", "::1"])


@pytest.mark.parametrize(
    "args",
    [
        ("--allow", "example.com"),
        ("--allow", "10.0.0.1/8"),
        ("--expires-in-days", "0"),
        ("--expires-in-days", "nan"),
        ("--expires-in-days", "1e9"),
        ("--expires-in-days", "soon"),
    ],
)
def test_limits_that_are_none_are_refused(acme, args):
    with pytest.raises(CommandError, match=r"\S"):
        run("create_key", "--tenant", "acme", *args)
    assert not ApiKey.objects.exists()


def test_the_list_says_what_each_key_may_do_and_shows_no_secret(acme, globex):
    key, plain = create_key(
        tenant=acme,
        scopes=["read"],
        name="the bot\n",
        allowed_networks=["10.0.0.0/8"],
        expires_at=timezone.now(),
    )
    create_key(tenant=globex, scopes=["read", "write"])
    create_key(tenant=None, scopes=["admin"])
    newest, of_globex = run("list_keys").splitlines()
    assert "(operator)  admin" in newest
    assert "active  globex  read,write" in of_globex
    assert "never used" in of_globex
    [line] = run("list_keys", "--all", "--tenant", "acme").splitlines()
    assert line.startswith(f"{key}  expired  acme  read  created ")
    assert "from 10.0.0.0/8" in line
    assert r"'the bot\n'" in line
    assert secret_of(plain) not in line
    assert len(run("list_keys", "--operator").splitlines()) == 1
    assert run("list_keys", "--tenant", "acme") == ""


def test_a_leaked_key_may_be_given_whole(acme):
    _, plain = create_key(tenant=acme, scopes=["read"])
    assert plain not in run("revoke_key", plain)
    assert not works(plain)


@pytest.mark.parametrize("command", ["rotate_key", "revoke_key"])
def test_an_unknown_key_is_refused_and_not_repeated(acme, command):
    unknown = f"mlk_a1b2c3d4e5f6_{'s' * 43}"
    for text in (unknown, "x", ""):
        with pytest.raises(CommandError, match="list_keys") as refusal:
            run(command, text)
        assert unknown not in str(refusal.value)


def test_a_dead_key_is_not_rotated(acme):
    key, _ = create_key(tenant=acme, scopes=["read"])
    run("revoke_key", key.prefix)
    with pytest.raises(CommandError, match="revoked"):
        run("rotate_key", key.prefix)
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize("seconds", ["-1", "99999999", "soon"])
def test_a_wrong_overlap_is_refused(acme, seconds):
    key, _ = create_key(tenant=acme, scopes=["read"])
    with pytest.raises(CommandError):
        run("rotate_key", key.prefix, f"--overlap-seconds={seconds}")
    assert ApiKey.objects.count() == 1


def test_a_rotation_without_overlap(acme):
    key, plain = create_key(tenant=acme, scopes=["read"])
    new = run("rotate_key", key.prefix, "--overlap-seconds", "0").strip()
    assert (works(plain), works(new)) == (False, True)


def test_a_tenant_is_suspended_and_resumed(bot, acme):
    assert run("suspend_tenant", "acme").startswith("Suspended acme.")
    since = Tenant.objects.get().suspended_at
    problem_of(bot.get(MESSAGES), 403)
    run("suspend_tenant", "acme")
    assert Tenant.objects.get().suspended_at == since
    assert run("resume_tenant", "acme").startswith("Resumed acme.")
    assert bot.get(MESSAGES).status_code == 200


@pytest.mark.parametrize("command", ["suspend_tenant", "resume_tenant"])
def test_an_unknown_tenant_is_refused(db, command):
    with pytest.raises(CommandError, match="create_tenant"):
        run(command, "nobody")
