"""The doors of the admin: guessing passwords ends soon, pages run nothing of strangers, cookies stay in the browser."""

import re
from datetime import timedelta

import pytest
import time_machine
from axes.models import AccessAttempt
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from memories.models import ArchivedMessage, EmbeddingJob, Message
from memory_layer import content_security
from retention.models import LegalHold, RetentionPolicy
from tenants.audit_event import AuditEvent
from tenants.models import ApiKey, Tenant
from tests.conftest import HANDLER
from tests.factories import remember
from tests.integration.test_admin import url

LOGIN = "/admin/login/"
WORD = "xylophone 7391 tea"
LIMIT = django_settings.AXES_FAILURE_LIMIT


@pytest.fixture
def sue(db, settings) -> User:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return User.objects.create_user("sue", password=WORD, is_staff=True)


def log_in(word: str, *, name: str = "sue", **where: str):
    client = Client(REMOTE_ADDR="203.0.113.7")
    client.handler = HANDLER
    return client.post(LOGIN, {"username": name, "password": word, "next": "/admin/"}, **where)


def fail(times: int = LIMIT, **where: str) -> list[int]:
    return [log_in(f"guess {n}", **where).status_code for n in range(times)]


def test_it_works(sue):
    assert log_in(WORD).headers["Location"] == "/admin/"


def test_guessing_ends_after_some_tries_whatever_name_is_tried(sue):
    assert fail(LIMIT - 1) == [200] * (LIMIT - 1)
    assert log_in("another guess", name="tom").status_code == 429
    assert log_in(WORD).status_code == 429
    assert LOGIN not in log_in(WORD).headers.get("Location", "")


def test_it_begins_anew_later_and_does_not_concern_others(sue):
    fail()
    assert log_in(WORD).status_code == 429
    assert log_in(WORD, REMOTE_ADDR="203.0.113.8").status_code == 302
    later = timezone.now() + django_settings.AXES_COOLOFF_TIME + timedelta(seconds=1)
    with time_machine.travel(later):
        assert log_in(WORD).status_code == 302


def test_one_network_of_ipv6_counts_as_one_address(sue):
    for n in range(LIMIT):
        log_in("guess", REMOTE_ADDR=f"2001:db8:1:1::{n + 1:x}")
    assert log_in(WORD, REMOTE_ADDR="2001:db8:1:1:ffff::1").status_code == 429
    assert log_in(WORD, REMOTE_ADDR="2001:db8:1:2::1").status_code == 302


def test_behind_a_proxy_it_is_the_senders_address_and_none_that_is_made_up(sue, settings):
    settings.ENV = settings.ENV.model_copy(update={"trusted_proxies": 1})
    for n in range(LIMIT):
        log_in("guess", HTTP_X_FORWARDED_FOR=f"198.51.100.{n}, 192.0.2.1")
    assert log_in(WORD, HTTP_X_FORWARDED_FOR="198.51.100.99, 192.0.2.1").status_code == 429
    assert log_in(WORD, HTTP_X_FORWARDED_FOR="192.0.2.1, 192.0.2.2").status_code == 302


def test_without_trusted_proxies_the_header_says_nothing(sue):
    for n in range(LIMIT):
        log_in("guess", HTTP_X_FORWARDED_FOR=f"198.51.100.{n}")
    assert log_in(WORD, HTTP_X_FORWARDED_FOR="198.51.100.99").status_code == 429


def test_no_password_is_kept(sue):
    fail(2)
    kept = str(list(AccessAttempt.objects.values()))
    assert "sue" in kept
    assert "guess" not in kept


def test_ones_own_new_password_is_noted_and_a_refused_one_is_not(sue):
    client = Client()
    client.handler = HANDLER
    client.force_login(sue)
    new = {"new_password1": f"{WORD} 2", "new_password2": f"{WORD} 2"}
    for old in ("a guess", WORD):
        client.post("/admin/password_change/", {"old_password": old} | new)
    [event] = AuditEvent.objects.filter(action="person.update")
    assert (event.actor, event.object_id, event.changes) == ("sue", str(sue.pk), {"fields": ["password"]})


def test_keys_of_the_api_are_not_concerned(sue, bot):
    fail()
    bot.client.defaults["REMOTE_ADDR"] = "203.0.113.7"
    assert bot.get("/v1/messages").status_code == 200


def directives(answer) -> dict[str, str]:
    policy = answer.headers[content_security.HEADER]
    return dict(part.strip().partition(" ")[::2] for part in policy.split(";"))


@pytest.mark.parametrize(
    "path", ["/admin/", LOGIN, "/docs", "/openapi.json", "/", "/nowhere", "/admin/nowhere/"]
)
def test_every_page_says_what_it_may_load(root, path):
    found = directives(root.get(path))
    assert found["default-src"] == found["base-uri"] == found["frame-ancestors"] == "'none'"
    assert found.get("script-src", "'self'") == (
        "'self' 'unsafe-eval'" if path.startswith("/admin") else "'self'"
    )


def test_nothing_that_a_browser_shows_may_be_framed(client, db):
    for path in ("/admin/login/", "/static/console/console.css"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["X-Frame-Options"]) == (200, "DENY")
        answer.close()  # a file


def test_answers_of_the_api_are_no_pages(bot):
    answer = bot.get("/v1/messages")
    assert content_security.HEADER not in answer.headers
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_no_page_of_the_admin_needs_more_than_it_may(root, acme):
    """No inline scripts and handlers, which the policy would block."""
    remember(acme, "tea")
    models = [
        Tenant,
        ApiKey,
        Message,
        ArchivedMessage,
        EmbeddingJob,
        RetentionPolicy,
        LegalHold,
        AuditEvent,
        User,
    ]
    paths = [
        "/admin/",
        "/admin/password_change/",
        "/admin/django_celery_beat/periodictask/add/",
        "/admin/login/",
    ]
    paths += [url(model) for model in models] + [
        url(model, "add") for model in (Tenant, ApiKey, RetentionPolicy)
    ]
    paths += [url(Tenant, page, acme.pk) for page in ("change", "delete", "history")]
    for path in paths:
        page = root.get(path, follow=True).content.decode()
        scripts = re.findall(r"<script([^>]*)>", page)
        assert all("src=" in each or 'type="application/json"' in each for each in scripts), path
        assert not re.search(r"\son[a-z]+=[\"']|javascript:", page), path


def test_cookies_are_for_the_browser_alone_and_not_for_long(sue):
    answer = log_in(WORD)
    cookie = answer.cookies[django_settings.SESSION_COOKIE_NAME]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert 0 < cookie["max-age"] <= 12 * 60 * 60
