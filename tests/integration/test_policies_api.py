"""Retention policies through the API: made, listed in their order, changed, deleted; and what is refused."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule

from retention import rules, schedule
from retention.models import RetentionPolicy
from tenants.lifecycle import create_key
from tests.answers import problem_of
from tests.conftest import Api
from tests.factories import remember
from tests.schedules import HOUR, NIGHT, NOON, run_due

POLICIES = "/v1/admin/policies"
OLD = {"name": "old", "older_than_days": 30}
WHOLE = {
    "name": "whole",
    "enabled": False,
    "priority": -5,
    "conversation_prefix": "chat ",
    "role": "tool",
    "user_id": "ann",
    "agent_id": "bot",
    "metadata": {"channel": "web", "tags": ["a"]},
    "older_than_days": 0.5,
    "importance_below": 0.25,
    "not_recalled_for_days": 7,
    "keep_newest": 20,
    "action": "delete",
    "delete_archived_after_days": 0,
    "schedule": {"crontab": "30 4 * * mon-fri", "timezone": "Europe/Berlin"},
}


@pytest.fixture
def manager(acme) -> Api:
    """Acme's own administrator."""
    return Api(create_key(tenant=acme, scopes=["read", "write", "admin"])[1])


def made(api: Api, **values) -> dict:
    answer = api.post(POLICIES, OLD | values)
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_it_works(manager, reader, acme):
    remember(acme, "An old story", created_at=timezone.now() - timedelta(days=40))
    policy = made(manager)
    assert (policy["from"], policy["rules"], policy["action"]) == ("tenant", "older than 30 days", "archive")
    assert policy["schedule"] is None
    path = f"{POLICIES}/{policy['id']}"
    assert reader.get(path).json() == policy
    assert manager.post("/v1/admin/retention/run", {}).json()["archived"] == 1
    assert manager.patch(path, {"older_than_days": None, "importance_below": 0.2}).json()["rules"] == (
        "importance below 0.2"
    )
    assert manager.delete(path).status_code == 204
    problem_of(manager.get(path), 404)


def test_everything_that_was_said_is_kept(manager):
    policy = made(manager, **WHOLE)
    assert policy | WHOLE == policy
    assert policy["rules"].startswith("older than 0.5 days and importance below 0.25 and not recalled")
    assert manager.get(f"{POLICIES}/{policy['id']}").json() == policy
    nothing = dict.fromkeys(["conversation_prefix", "role", "user_id", "agent_id", "keep_newest", "schedule"])
    changed = manager.patch(f"{POLICIES}/{policy['id']}", nothing | {"metadata": {}}).json()
    assert changed | nothing | {"metadata": {}} == changed


def test_they_are_listed_in_the_order_in_which_they_are_asked(manager, acme):
    for name, priority in (("last", 200), ("first", 1), ("second", 100), ("third", 100)):
        made(manager, name=name, priority=priority)
    listed = manager.get(POLICIES).json()["policies"]
    assert [policy["name"] for policy in listed] == ["first", "second", "third", "last"]


def test_a_tenant_without_any_is_shown_the_default(reader, bot, settings):
    body = reader.get(POLICIES).json()
    [default] = body["policies"]
    assert (default["id"], default["from"], default["name"]) == (None, "settings", "default")
    assert (default["older_than_days"], default["importance_below"]) == (90, 0.3)
    assert body["installation_schedule"] == "17 3 * * *"
    assert default["next_run_at"].endswith("T03:17:00Z")
    settings.ENV = settings.ENV.model_copy(update={"retention_default": False, "retention_schedule": "off"})
    assert reader.get(POLICIES).json() == {"policies": [], "installation_schedule": None}


def test_deleting_the_last_one_brings_the_default_back(manager):
    policy = made(manager)
    manager.delete(f"{POLICIES}/{policy['id']}")
    assert [each["from"] for each in manager.get(POLICIES).json()["policies"]] == ["settings"]


def test_the_next_run_is_shown_as_the_schedule_has_it(manager):
    with time_machine.travel(NOON, tick=False):
        hourly = made(manager, name="hourly", schedule={"every_minutes": 60})
        nightly = made(manager, name="nightly")
        off = made(manager, name="off", enabled=False)
    expected = {"hourly": NOON + HOUR, "nightly": NIGHT, "off": None}
    for policy in (hourly, nightly, off):
        shown = policy["next_run_at"]
        assert (shown and datetime.fromisoformat(shown)) == expected[policy["name"]]
    run_due(NOON)
    with time_machine.travel(NOON + HOUR / 2, tick=False):
        shown = manager.get(f"{POLICIES}/{hourly['id']}").json()["next_run_at"]
    assert datetime.fromisoformat(shown) == NOON + HOUR


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"every_minutes": 1}, {"every_minutes": 1}),
        ({"crontab": " 0  6 * *   0 "}, {"crontab": "0 6 * * 0", "timezone": "UTC"}),
        ({"crontab": "0 6 1 */3 *", "timezone": "Asia/Tokyo"}, None),
    ],
)
def test_a_schedule_is_shared_and_comes_back_as_it_was_sent(manager, sent, kept):
    one, two = (made(manager, name=name, schedule=sent) for name in ("one", "two"))
    assert one["schedule"] == two["schedule"] == (kept or sent)
    assert IntervalSchedule.objects.count() + CrontabSchedule.objects.count() == 1
    again = manager.patch(f"{POLICIES}/{one['id']}", {"schedule": one["schedule"]})
    assert again.json()["schedule"] == one["schedule"]


def test_schedules_made_in_the_admin_are_shown(manager, acme):
    row = IntervalSchedule.objects.create(every=90, period=IntervalSchedule.SECONDS)
    RetentionPolicy.objects.create(tenant=acme, name="a", older_than_days=1, interval=row)
    row = CrontabSchedule.objects.create(minute="0, 30", hour="4")
    RetentionPolicy.objects.create(tenant=acme, name="b", older_than_days=1, crontab=row)
    shown = [policy["schedule"] for policy in manager.get(POLICIES).json()["policies"]]
    assert shown == [{"every_minutes": 1.5}, {"crontab": "0,30 4 * * *", "timezone": "UTC"}]


BAD = [
    ({"name": None}, "name"),
    ({"name": ""}, "name"),
    ({"name": "a\x1bb"}, "name"),
    ({"name": "x" * 256}, "name"),
    ({"enabled": "yes"}, "enabled"),
    ({"priority": 2**40}, "priority"),
    ({"priority": "first"}, "priority"),
    ({"conversation_prefix": ""}, "conversation_prefix"),
    ({"conversation_prefix": " a"}, "conversation_prefix"),
    ({"conversation_prefix": "x" * 256}, "conversation_prefix"),
    ({"conversation_prefix": 7}, "conversation_prefix"),
    ({"conversation_prefix": "a\x00"}, "conversation_prefix"),
    ({"role": "robot"}, "role"),
    ({"user_id": "x" * 256}, "user_id"),
    ({"agent_id": "\ud800"}, "agent_id"),
    ({"metadata": []}, "metadata"),
    ({"metadata": None}, "metadata"),
    ({"metadata": {"a": "\x00"}}, "metadata"),
    ({"metadata": {"a": {"b": {"c": {"d": {"e": {}}}}}}}, "metadata"),
    ({"metadata": {"a": "x" * 17_000}}, "metadata"),
    ({"older_than_days": -1}, "older_than_days"),
    ({"older_than_days": 36_501}, "older_than_days"),
    ({"older_than_days": "30"}, "older_than_days"),
    ({"older_than_days": True}, "older_than_days"),
    ({"importance_below": 1.5}, "importance_below"),
    ({"not_recalled_for_days": -0.1}, "not_recalled_for_days"),
    ({"keep_newest": 0}, "keep_newest"),
    ({"keep_newest": 2**31}, "keep_newest"),
    ({"keep_newest": 1.5}, "keep_newest"),
    ({"action": "burn"}, "action"),
    ({"action": None}, "action"),
    ({"older_than_days": None}, "action"),
    ({"delete_archived_after_days": -1}, "delete_archived_after_days"),
    ({"older_then_days": 3}, "older_then_days"),
    ({"last_slot_at": None}, "last_slot_at"),
    ({"id": 7}, "id"),
    ({"schedule": "17 3 * * *"}, "schedule"),
    ({"schedule": {}}, "schedule"),
    ({"schedule": {"every_minutes": 5, "crontab": "* * * * *"}}, "schedule"),
    ({"schedule": {"every_minutes": 5, "timezone": "UTC"}}, "schedule"),
    ({"schedule": {"every_minutes": 0}}, "schedule.every_minutes"),
    ({"schedule": {"every_minutes": True}}, "schedule.every_minutes"),
    ({"schedule": {"every_minutes": 1.5}}, "schedule.every_minutes"),
    ({"schedule": {"every_minutes": 2**70}}, "schedule.every_minutes"),
    ({"schedule": {"crontab": "61 * * * *"}}, "schedule.crontab"),
    ({"schedule": {"crontab": "* * * *"}}, "schedule.crontab"),
    ({"schedule": {"crontab": "0 0 30 2 *"}}, "schedule.crontab"),
    ({"schedule": {"crontab": "0 0 29 2 1"}}, "schedule.crontab"),
    ({"schedule": {"crontab": "0 0 * * 7"}}, "schedule.crontab"),
    ({"schedule": {"crontab": "\x00 0 * * *"}}, "schedule.crontab"),
    ({"schedule": {"crontab": "\ud800 0 * * *"}}, "schedule.crontab"),
    ({"schedule": {"crontab": ",".join(["1"] * 100_000) + " 0 * * *"}}, "schedule.crontab"),
    ({"schedule": {"crontab": "0 0 * * " + ",".join(["1"] * 40)}}, "schedule.crontab"),
    ({"schedule": {"crontab": None}}, "schedule.crontab"),
    ({"schedule": {"crontab": "0 0 * * *", "timezone": "Mars/Olympus"}}, "schedule.timezone"),
    ({"schedule": {"crontab": "0 0 * * *", "timezone": "../UTC"}}, "schedule.timezone"),
    ({"schedule": {"crontab": "0 0 * * *", "timezone": "\x00"}}, "schedule.timezone"),
    ({"schedule": {"crontab": "0 0 * * *", "timezone": 7}}, "schedule.crontab"),
]


@pytest.mark.parametrize(("values", "field"), BAD)
def test_bad_input_is_named_and_nothing_is_made(manager, values, field):
    problem_of(manager.post(POLICIES, OLD | values), 400, field=field)
    assert not RetentionPolicy.objects.exists()
    policy = made(manager)
    if field != "id":
        problem_of(manager.patch(f"{POLICIES}/{policy['id']}", values), 400, field=field)
    assert manager.get(f"{POLICIES}/{policy['id']}").json() == policy


@pytest.mark.parametrize(
    "body", ["", "[]", "7", '"x"', "{", '{"older_than_days": NaN}', '{"keep_newest": 1e999}']
)
def test_a_body_that_is_none_is_refused(manager, body):
    problem_of(manager.post(POLICIES, body), 400)
    policy = made(manager)
    problem_of(manager.patch(f"{POLICIES}/{policy['id']}", body), 400)


def test_a_patch_without_a_change_is_refused(manager):
    assert (
        "Nothing to change"
        in problem_of(manager.patch(f"{POLICIES}/{made(manager)['id']}", {}), 400)["detail"]
    )


def test_a_policy_that_keeps_needs_no_rule(manager):
    policy = made(manager, older_than_days=None, action="keep", delete_archived_after_days=30)
    assert policy["rules"] == "in scope"
    problem_of(manager.patch(f"{POLICIES}/{policy['id']}", {"action": "delete"}), 400, field="action")


def test_a_taken_name_is_a_conflict(manager, outsider, acme, globex):
    made(manager)
    problem_of(manager.post(POLICIES, OLD), 409)
    other = made(manager, name="other")
    problem_of(manager.patch(f"{POLICIES}/{other['id']}", {"name": "old"}), 409)
    assert made(Api(create_key(tenant=globex, scopes=["admin", "read"])[1]))["tenant_id"] == "globex"


def test_there_is_a_limit(manager, monkeypatch):
    monkeypatch.setattr(rules, "POLICIES", 2)
    made(manager, name="a")
    made(manager, name="b")
    assert "at most 2" in problem_of(manager.post(POLICIES, OLD), 409)["detail"]


def test_reading_takes_read_and_everything_else_admin(bot, reader, stranger, manager):
    path = f"{POLICIES}/{made(manager)['id']}"
    for api in (bot, reader):
        assert api.get(POLICIES).status_code == api.get(path).status_code == 200
        for answer in (api.post(POLICIES, OLD), api.patch(path, {"enabled": False}), api.delete(path)):
            assert "'admin'" in problem_of(answer, 403)["detail"]
    problem_of(stranger.get(POLICIES), 401)
    assert RetentionPolicy.objects.get().enabled


@pytest.mark.parametrize("policy_id", [0, 7, 2**31, 2**70])
def test_what_is_not_there_is_a_404(manager, policy_id):
    path = f"{POLICIES}/{policy_id}"
    for answer in (manager.get(path), manager.patch(path, {"enabled": False}), manager.delete(path)):
        problem_of(answer, 404)


def test_another_tenants_policy_is_not_there(manager, globex):
    foreign = RetentionPolicy.objects.create(tenant=globex, name="theirs", older_than_days=1)
    path = f"{POLICIES}/{foreign.id}"
    for answer in (manager.get(path), manager.patch(path, {"enabled": False}), manager.delete(path)):
        problem_of(answer, 404)
    problem_of(manager.post(POLICIES, OLD | {"tenant_id": "globex"}), 403)
    problem_of(manager.get(f"{path}?tenant_id=globex"), 403)
    foreign.refresh_from_db()
    assert foreign.enabled


def test_an_operator_names_the_tenant(operator, acme):
    policy = made(operator, tenant_id="acme")
    path = f"{POLICIES}/{policy['id']}"
    problem_of(operator.post(POLICIES, OLD), 404)
    problem_of(operator.get(path), 404)
    assert operator.get(POLICIES, tenant_id="acme").json()["policies"] == [policy]
    assert operator.patch(f"{path}?tenant_id=acme", {"enabled": False}).json()["enabled"] is False
    assert operator.delete(f"{path}?tenant_id=acme").status_code == 204


def test_the_text_of_a_schedule_is_the_same_in_sql_and_here(manager, acme):
    """What the API keeps is what the schedule sees."""
    made(manager, schedule={"crontab": "*/10 4 * * 1", "timezone": "Asia/Tokyo"})
    schedule.look(datetime(2026, 1, 1, tzinfo=UTC))
    texts = set(RetentionPolicy.objects.get().tenant.retentionslot_set.values_list("schedule", flat=True))
    assert texts == {"*/10 4 * * 1 Asia/Tokyo", "17 3 * * * UTC"}
