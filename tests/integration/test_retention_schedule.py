"""Slots: each policy runs when its schedule says, each slot once, a missed one once."""

from datetime import UTC, datetime, timedelta

import pytest
from django_celery_beat.models import CrontabSchedule

from memories.models import ArchivedMessage
from retention import schedule
from retention.models import RetentionPolicy, RetentionRun, RetentionSlot
from tenants.models import Tenant
from tests.factories import remember
from tests.schedules import DAY, HOUR, NIGHT, NOON, acting, crontab, every, newest, policy, run_due, started


def test_it_works(acme):
    remember(acme, "an old story", created_at=NOON - 40 * DAY)
    remember(acme, "a new story", created_at=NOON)
    policy(acme)
    assert run_due(NOON) == 0
    assert run_due(NIGHT) == 1
    run = RetentionRun.objects.get()
    assert (run.status, run.trigger, run.started_by, run.archived) == ("done", "schedule", "old", 1)
    assert ArchivedMessage.objects.get().content == "an old story"
    assert run_due(NIGHT) == run_due(NIGHT + HOUR) == 0
    assert run_due(NIGHT + DAY) == 1


def test_a_tenant_without_policies_is_run_by_the_installations_default(acme):
    remember(acme, "hm", created_at=NOON - 100 * DAY, importance=0.1)
    run_due(NOON)
    run_due(NIGHT)
    run = RetentionRun.objects.get()
    assert (run.started_by, acting(run), run.archived) == ("default", ["default"], 1)
    assert run_due(NIGHT) == 0


def test_a_new_policys_first_slot_is_its_next_one(acme):
    run_due(NOON)
    run_due(NIGHT)
    policy(acme, interval=every(2))
    assert run_due(NIGHT + HOUR) == 0
    assert run_due(NIGHT + 2 * HOUR) == 0
    assert run_due(NIGHT + 3 * HOUR) == 1
    assert acting(newest()) == ["old"]


@pytest.mark.parametrize("away", [DAY, 10 * DAY, 400 * DAY])
def test_missed_slots_are_caught_up_once(acme, away):
    policy(acme, interval=every(1))
    run_due(NOON)
    late = NOON + away + timedelta(minutes=30)
    assert run_due(late) == 1
    assert run_due(late) == run_due(late + timedelta(minutes=29)) == 0
    assert run_due(late + timedelta(minutes=30)) == 1


def test_policies_that_are_due_together_share_one_run(acme):
    policy(acme, "first", crontab=crontab("17 3 * * *"))
    policy(acme, "second")
    policy(acme, "third", interval=every(48))
    run_due(NOON)
    run_due(NIGHT)
    run = RetentionRun.objects.get()
    assert (run.started_by, acting(run)) == ("first, second", ["first", "second"])


def test_only_the_policy_that_is_due_acts(acme):
    remember(acme, "old story", created_at=NOON - 40 * DAY)
    policy(acme, interval=every(1), user_id="ann")
    policy(acme, "nightly")
    run_due(NOON)
    run_due(NOON + HOUR)
    assert RetentionRun.objects.get().archived == 0
    run_due(NIGHT)
    assert newest().archived == 1


def test_a_crontab_has_its_own_time_zone(acme):
    policy(acme, crontab=crontab("0 14 * * *", "America/New_York"))
    run_due(NOON)
    assert run_due(datetime(2026, 6, 10, 17, 59, tzinfo=UTC)) == 0
    assert run_due(datetime(2026, 6, 10, 18, 0, tzinfo=UTC)) == 1


def test_another_schedule_begins_anew(acme):
    row = policy(acme, interval=every(1))
    run_due(NOON)
    row.interval = every(3)
    row.save()
    assert run_due(NOON + HOUR) == 0
    assert run_due(NOON + 4 * HOUR) == 1
    # The same row of beat's, changed in the admin.
    row.interval.every = 1
    row.interval.save()
    assert run_due(NOON + 4 * HOUR) == 0
    assert run_due(NOON + 5 * HOUR) == 1


def test_a_policy_that_was_off_does_not_catch_up_what_it_missed(acme):
    row = policy(acme, interval=every(1))
    run_due(NOON)
    RetentionPolicy.objects.update(enabled=False)
    assert run_due(NOON + 2 * HOUR) == 0
    RetentionPolicy.objects.update(enabled=True)
    assert run_due(NOON + 3 * HOUR) == 0
    assert run_due(NOON + 4 * HOUR) == 1
    row.delete()
    run_due(NOON + 4 * HOUR)
    assert set(RetentionSlot.objects.values_list("policy_id", flat=True)) == {0}


def test_off_runs_only_what_has_a_schedule_of_its_own(acme, globex, settings):
    run_due(NOON)
    settings.ENV = settings.ENV.model_copy(update={"retention_schedule": "off"})
    policy(acme, "without")
    policy(acme, "with", crontab=crontab("17 3 * * *"))
    run_due(NOON)
    run_due(NIGHT)
    assert started() == [("acme", "with")]
    assert acting(RetentionRun.objects.get()) == ["with"]


def test_what_was_deleted_is_purged_even_if_no_policy_is_left(acme):
    remember(acme, "gone", created_at=NOON - 40 * DAY)
    row = policy(acme, action="delete")
    run_due(NOON)
    run_due(NIGHT)
    row.enabled = False
    row.save()
    for day in range(1, 9):
        run_due(NIGHT + day * DAY)
    assert not ArchivedMessage.objects.exists()
    assert newest().started_by == "purge"


def test_a_suspended_tenant_waits_and_catches_up_once(acme):
    policy(acme, interval=every(1))
    run_due(NOON)
    acme.suspended_at = NOON
    acme.save()
    assert run_due(NOON + 5 * HOUR) == 0
    acme.suspended_at = None
    acme.save()
    assert run_due(NOON + 6 * HOUR) == 1
    assert run_due(NOON + 6 * HOUR) == 0


@pytest.mark.parametrize("back", [timedelta(minutes=5), HOUR, 3 * HOUR])
def test_a_clock_that_is_put_back_repeats_no_slot(acme, back):
    run_due(NOON)
    run_due(NIGHT)
    assert run_due(NIGHT - back) == run_due(NIGHT) == 0
    assert run_due(NIGHT + DAY) == 1


@pytest.mark.parametrize("interval", [None, 1])
def test_a_clock_that_ran_years_ahead_stops_nothing_for_good(acme, interval):
    policy(acme, interval=interval and every(interval))
    run_due(NOON)
    run_due(NOON + 3650 * DAY)
    before = RetentionRun.objects.count()
    assert run_due(NOON) == 0
    assert run_due(NIGHT) == 1
    assert RetentionRun.objects.count() == before + 1


def test_spaces_in_beats_fields_are_taken_as_beat_takes_them(acme):
    row = crontab("0 15 * * *")
    CrontabSchedule.objects.update(minute="0, 30")
    policy(acme, crontab=row)
    run_due(NOON)
    assert run_due(NOON + 3 * HOUR) == 1
    assert run_due(NOON + 3.5 * HOUR) == 1


def test_ten_thousand_tenants_are_asked_for_in_a_few_statements(acme, django_assert_max_num_queries):
    Tenant.objects.bulk_create([Tenant(name=f"many-{n}") for n in range(10_000)])
    with django_assert_max_num_queries(4):
        schedule.look(NOON)
    assert RetentionSlot.objects.count() == 10_001
    with django_assert_max_num_queries(4):
        schedule.look(NOON)
        assert schedule.due(NOON) == []
    with django_assert_max_num_queries(1):
        assert len(schedule.due(NIGHT)) == 10_001
