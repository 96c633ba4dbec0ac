"""The admin's actions on retention: preview, run, restore; and who may."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.utils import timezone

from memories.models import ArchivedMessage, Message
from retention import enforce, tasks
from retention.models import RetentionPolicy, RetentionRun
from tests.factories import remember
from tests.integration.test_admin import SCRIPT, url
from tests.schedules import policy


@pytest.fixture
def old(acme):
    remember(acme, SCRIPT, "two", created_at=timezone.now() - timedelta(days=40))
    return policy(acme, SCRIPT, older_than_days=30)


def act(browser, model, action, *rows):
    data = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    return browser.post(url(model), data, follow=True)


def text(answer) -> str:
    assert answer.status_code == 200, answer
    return answer.content.decode()


def test_it_works(root, acme, old):
    page = text(act(root, RetentionPolicy, "preview_run", old))
    assert "archive 2, delete 0, purge 0; 0 stay" in page
    assert "older than 30 days" in page
    assert SCRIPT not in page
    assert Message.objects.count() == 2
    assert "Under way" in text(act(root, RetentionPolicy, "run_now", old))
    run = RetentionRun.objects.get()
    assert (run.trigger, run.started_by, run.status) == ("admin", "root", "running")
    assert Message.objects.count() == 2, "a worker does it"
    tasks.run_due()
    assert Message.objects.count() == 0
    assert "Under way" in text(act(root, RetentionRun, "restore_runs", run))
    tasks.run_due()
    assert Message.objects.count() == 2


def test_single_messages_come_back(root, acme, old):
    enforce.run(tenant=acme, trigger="api", started_by="x")
    one = ArchivedMessage.objects.get(content="two")
    assert "Under way" in text(act(root, ArchivedMessage, "restore_messages", one))
    tasks.run_due()
    assert Message.objects.get().content == "two"


def test_a_busy_tenant_is_named(root, acme, old):
    run = enforce.begin(tenant=acme, trigger="api", started_by="x")
    for model, action, row in (
        (RetentionPolicy, "run_now", old),
        (RetentionRun, "restore_runs", run),
    ):
        assert "under way" in text(act(root, model, action, row))
    assert Message.objects.count() == 2


def test_it_takes_the_permission(client, acme, old):
    viewer = get_user_model().objects.create(username="viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(viewer)
    for action in ("preview_run", "run_now"):
        act(client, RetentionPolicy, action, old)
    assert Message.objects.count() == 2
    assert not RetentionRun.objects.exists()
