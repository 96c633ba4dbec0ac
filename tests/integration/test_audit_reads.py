"""MEMORY_AUDIT_READS: every answer that holds what somebody said has its event; without it, none, and no cost."""

import pytest
from django.conf import settings as django_settings
from django.test.client import ClientHandler

from memory_layer import audit_reads
from tenants.audit_event import AuditEvent
from tests import conftest
from tests.integration import test_isolation as every

secret, document = every.secret, every.document
MIDDLEWARE = "memory_layer.audit_reads.AuditReadsMiddleware"


@pytest.fixture
def audited(settings, monkeypatch):
    """As settings.py sets it up with MEMORY_AUDIT_READS=on."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, MIDDLEWARE]
    monkeypatch.setattr(conftest, "HANDLER", ClientHandler(enforce_csrf_checks=False))


def reads() -> list[tuple]:
    events = AuditEvent.objects.filter(action="content.read").order_by("id")
    return list(events.values_list("tenant_id", "object_kind", "object_id"))


def test_it_works(audited, acme, secret):
    key = conftest.create_key(tenant=acme, scopes=["read"])[1]
    reader = conftest.Api(key)
    assert reader.get("/v1/memory/search", query="code").status_code == 200
    assert reader.get(f"/v1/messages/{secret.id}").status_code == 200
    assert reads() == [(acme.pk, "search", ""), (acme.pk, "message", str(secret.id))]
    assert {event.actor for event in AuditEvent.objects.filter(action="content.read")} == {key.split("_")[1]}


def test_every_answer_with_content_is_noted_once_whoever_asks(audited, acme, secret, document):
    operator = conftest.Api(conftest.create_key(tenant=None, scopes=["read", "write", "admin"])[1])
    manager = conftest.Api(conftest.create_key(tenant=acme, scopes=["read", "write", "admin"])[1])
    changes_or_exports = {"patch", "delete"}
    for path, method in every.operations(document):
        if method in changes_or_exports or "/export" in path or path == "/v1/admin/tenants":
            continue
        for api in (operator, manager):
            before = len(reads())
            answer = every.call(api, method, path, secret, "acme")
            told = answer.status_code == 200 and b"The code is" in every.content_of(answer)
            noted = reads()[before:]
            assert len(noted) <= 1
            assert noted or not told, f"{method} {path} tells and is in no route of audit_reads.READS"
            assert all(tenant_id == acme.pk for tenant_id, *_ in noted)


def test_a_refused_read_leaves_none(audited, acme, secret, globex):
    outsider = conftest.Api(conftest.create_key(tenant=globex, scopes=["read"])[1])
    assert outsider.get(f"/v1/messages/{secret.id}").status_code == 404
    assert outsider.get("/v1/memory/search").status_code == 400
    assert reads() == []


def test_what_cannot_be_noted_is_not_shown(audited, acme, secret, monkeypatch):
    reader = conftest.Api(conftest.create_key(tenant=acme, scopes=["read"])[1])

    def full(*args, **options):
        raise RuntimeError("disk full")

    monkeypatch.setattr(audit_reads.audit, "record", full)
    answer = reader.get(f"/v1/messages/{secret.id}")
    assert answer.status_code == 500
    assert b"The code is" not in answer.content


def test_by_default_it_is_not_even_there():
    assert MIDDLEWARE not in django_settings.MIDDLEWARE
