"""manage.py run_retention and restore_run."""

from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from memories.models import Message
from retention import enforce
from retention.models import RetentionRun
from tests.factories import remember


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=out)
    return out.getvalue()


@pytest.fixture
def old(acme, globex):
    for tenant in (acme, globex):
        remember(tenant, "old", created_at=timezone.now() - timedelta(days=100), importance=0.1)


def test_it_works(old, acme):
    said = run("run_retention", "--dry-run", "--tenant", "acme")
    assert "acme: would archive 1, delete 0, purge 0; 0 stay." in said
    assert "older than 90 days and importance below 0.3" in said
    assert Message.objects.count() == 2
    assert "acme: archived 1, deleted 0, purged 0; 0 stay." in run("run_retention", "--tenant", "acme")
    row = RetentionRun.objects.get(tenant=acme)
    assert "acme: restored 1." in run("restore_run", str(row.id))
    assert Message.objects.filter(tenant=acme).exists()


def test_all_tenants(old):
    said = run("run_retention")
    assert "acme: archived 1" in said
    assert "globex: archived 1" in said


def test_a_busy_tenant_is_named(old, acme):
    enforce.begin(tenant=acme, trigger="api", started_by="x")
    said = run("run_retention")
    assert "acme: left out" in said
    assert "globex: archived 1" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run_retention", "--tenant", "nobody"], "There is no tenant 'nobody'"),
        (["restore_run", str(uuid4())], "There is no such run"),
        (["restore_run", "x"], "not the id of a run"),
    ],
)
def test_refusals(db, arguments, said):
    with pytest.raises(CommandError, match=said):
        run(*arguments)


def test_a_restore_cannot_be_undone(old, acme):
    run("run_retention", "--tenant", "acme")
    run("restore_run", str(RetentionRun.objects.get().id))
    with pytest.raises(CommandError, match="was a restore itself"):
        run("restore_run", str(RetentionRun.objects.get(kind="restore").id))
