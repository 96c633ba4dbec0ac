"""manage.py create_tenant, create_key, ensure_admin."""

import hashlib
import io
import re
import stat

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client

from tenants.models import ApiKey, Tenant
from tests.conftest import Api

HELLO = {"conversation_id": "conv-1", "role": "user", "content": "hello"}


@pytest.fixture(autouse=True)
def _cheap_passwords(settings):
    """Hashing as slow as in production would be most of these tests' time."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def run(*args: str) -> str:
    out = io.StringIO()
    call_command(*args, stdout=out)
    return out.getvalue()


def test_a_tenant_is_created(db):
    assert run("create_tenant", "acme") == "Created tenant acme.\n"
    assert Tenant.objects.get().name == "acme"


@pytest.mark.parametrize("name", ["acme", "", " acme", "a\nb", "x" * 256], ids=ascii)
def test_a_wrong_or_taken_name_is_refused(acme, name):
    with pytest.raises(CommandError):
        run("create_tenant", name)
    assert Tenant.objects.count() == 1


def test_a_printed_key_works_and_only_its_digest_is_kept(acme):
    plain = run("create_key", "--tenant", "acme", "--name", "the bot").strip()
    assert Api(plain).post("/v1/messages", HELLO).status_code == 201
    assert len(Api(plain).get("/v1/messages").json()["messages"]) == 1
    key = ApiKey.objects.get()
    assert (key.tenant, key.name, key.scopes) == (acme, "the bot", ["read", "write"])
    assert bytes(key.digest) == hashlib.sha256(plain.encode()).digest()
    row = str(ApiKey.objects.values().get())
    assert plain.removeprefix(f"mlk_{key.prefix}_") not in row


def test_a_key_has_the_scopes_asked_for(acme):
    plain = run("create_key", "--tenant", "acme", "--scope", "read", "--scope", "read").strip()
    assert ApiKey.objects.get().scopes == ["read"]
    assert Api(plain).post("/v1/messages", HELLO).status_code == 403


def test_an_operators_key_is_for_all_tenants(acme, globex):
    operator = Api(run("create_key", "--operator").strip())
    assert ApiKey.objects.get().scopes == ["admin", "read", "write"]
    for name in ("acme", "globex"):
        assert operator.get("/v1/messages", tenant_id=name).status_code == 200
    assert operator.get("/metrics").status_code == 200


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("--tenant", "nobody"),
        ("--tenant", "acme", "--operator"),
        ("--tenant", "acme", "--scope", "everything"),
    ],
)
def test_a_key_for_nobody_or_everything_is_refused(acme, args):
    with pytest.raises(CommandError):
        run("create_key", *args)
    assert not ApiKey.objects.exists()


def test_the_first_admin_can_log_in_with_the_password_in_the_file(db, tmp_path):
    path = tmp_path / "admin-password"
    said = run("ensure_admin", "--password-file", str(path))
    password = path.read_text().strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert str(path) in said
    assert password not in said
    assert get_user_model().objects.get(username="admin").is_superuser
    form = {"username": "admin", "password": password, "next": "/admin/"}
    assert Client().post("/admin/login/", form).headers["Location"] == "/admin/"


def test_a_second_call_changes_nothing(db, tmp_path):
    run("ensure_admin", "--password-file", str(tmp_path / "first"))
    before = get_user_model().objects.get().password
    assert run("ensure_admin", "--password-file", str(tmp_path / "second")) == ""
    assert get_user_model().objects.get().password == before
    assert not (tmp_path / "second").exists()


def test_a_password_that_cannot_be_written_makes_no_admin(db, tmp_path):
    with pytest.raises(OSError, match=re.escape(str(tmp_path))):
        run("ensure_admin", "--password-file", str(tmp_path / "absent" / "file"))
    assert not get_user_model().objects.exists()


def test_a_file_that_was_there_is_readable_by_nobody_else_afterwards(db, tmp_path):
    path = tmp_path / "admin-password"
    path.write_text("old")
    path.chmod(0o644)
    run("ensure_admin", "--password-file", str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
