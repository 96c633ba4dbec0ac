"""System checks of retention: policies that can never act are said by name."""

from django.core.checks import run_checks
from django_celery_beat.models import CrontabSchedule

from retention.checks import check_policies
from retention.models import RetentionPolicy
from tests.schedules import crontab, every, policy


def said() -> list[str]:
    return [
        f"{message.id}: {message.msg} {message.hint}" for message in check_policies(databases=["default"])
    ]


def test_it_works(acme):
    assert said() == []
    policy(acme, "hourly", interval=every(1))
    policy(acme, "tools", role="tool", older_than_days=90)
    policy(acme, "sundays", crontab=crontab("0 0 * * 7"), user_id="ann", older_than_days=1, priority=1)
    never, hidden = said()
    assert "retention.W001: The retention schedule '0 0 * * 7 UTC' never fires." in never
    assert "retention.W002: The retention policy tools of acme never acts. hourly comes first" in hidden
    assert {message.id for message in run_checks(databases=["default"])} >= {
        "retention.W001",
        "retention.W002",
    }


def test_disabled_policies_are_not_spoken_of(acme, globex):
    policy(acme, "sundays", crontab=crontab("0 0 * * 7"), enabled=False)
    policy(acme, "one")
    policy(acme, "two", enabled=False)
    policy(globex, "two")
    assert said() == []
    RetentionPolicy.objects.update(enabled=True)
    assert len(said()) == 3
    CrontabSchedule.objects.update(day_of_week="0")
    assert len(said()) == 2


def test_the_api_says_it_where_the_policy_is_shown(acme, reader):
    policy(acme, "all")
    policy(acme, "tools", role="tool")
    policy(acme, "off", enabled=False)
    shown = reader.get("/v1/admin/policies").json()["policies"]
    assert [each["shadowed_by"] for each in shown] == [None, "all", None]
