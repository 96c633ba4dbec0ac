"""Two beats at once, killed workers, broken tenants and schedules, long runs: no slot is lost or taken twice."""

import contextlib
import threading
import time
from datetime import datetime, timedelta

import pytest
from django.db import DatabaseError, connection
from django_celery_beat.models import CrontabSchedule

from retention import enforce, moves, runs, schedule, tasks
from retention.models import RetentionRun, RetentionSlot
from tenants.models import Tenant
from tests.factories import TenantFactory, remember
from tests.schedules import DAY, NIGHT, NOON, crontab, newest, policy, run_due, started


def test_a_busy_tenant_keeps_its_slot(acme, globex):
    run_due(NOON)
    busy = enforce.begin(tenant=acme, trigger="api", started_by="somebody")
    run_due(NIGHT)
    assert started() == [("acme", "somebody"), ("globex", "default")]
    enforce.work(busy)
    assert run_due(NIGHT + timedelta(minutes=1)) == 1
    assert started()[-1] == ("acme", "default")


def test_a_schedule_that_nobody_understands_stops_only_its_policy(acme, globex):
    policy(acme, "broken", crontab=crontab("0 0 30 2 *"))
    policy(acme, "sundays", crontab=crontab("0 0 * * 7"))
    policy(acme, "empty", crontab=crontab("0 0 * * *"))
    CrontabSchedule.objects.filter(day_of_week="*", day_of_month="*").update(minute="")
    run_due(NOON)
    run_due(NIGHT)
    assert started() == [("acme", "purge"), ("globex", "default")]
    assert RetentionSlot.objects.filter(next_at=None).count() == 3


def test_one_tenants_failure_does_not_stop_the_others(acme, globex, monkeypatch):
    run_due(NOON)
    real = enforce.begin

    def begin(*, tenant, **fields):
        if tenant.name == "acme":
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1/0")
        return real(tenant=tenant, **fields)

    monkeypatch.setattr(enforce, "begin", begin)
    run_due(NIGHT)
    assert started() == [("globex", "default")]
    monkeypatch.undo()
    assert run_due(NIGHT + timedelta(minutes=1)) == 1
    assert started()[-1] == ("acme", "default")


def test_a_task_that_has_worked_long_enough_hands_over(acme, globex, monkeypatch):
    sent = []
    monkeypatch.setattr(tasks.run_due, "apply_async", lambda **options: sent.append(options))
    run_due(NOON)
    assert not sent
    monkeypatch.setattr(tasks, "WORK_SECONDS", 0.0)
    assert run_due(NIGHT) == 0
    assert len(sent) == 1
    monkeypatch.undo()
    assert run_due(NIGHT) == 2


def test_a_run_that_is_longer_than_a_task_is_continued_by_the_next(acme, monkeypatch):
    sent, work = [], enforce.work

    def work_slowly(row, *, seconds):
        time.sleep(seconds)
        return work(row, seconds=0, chunk=1)

    remember(acme, *(f"old {n}" for n in range(3)), created_at=NOON - 100 * DAY, importance=0.1)
    run_due(NOON)
    with monkeypatch.context() as patch:
        patch.setattr(tasks.run_due, "apply_async", lambda **options: sent.append(options))
        patch.setattr(tasks, "WORK_SECONDS", 0.5)
        patch.setattr(enforce, "work", work_slowly)
        run_due(NIGHT)
    assert (newest().status, newest().archived, len(sent)) == ("running", 1, 1)
    run_due(NIGHT)
    assert (newest().status, newest().archived) == ("done", 3)


def test_a_worker_killed_after_it_took_the_slot_has_left_a_run(acme, monkeypatch):
    class Killed(BaseException):
        pass

    def die(*args, **options):
        raise Killed

    remember(acme, "hm", created_at=NOON - 100 * DAY, importance=0.1)
    run_due(NOON)
    monkeypatch.setattr(enforce, "work", die)
    with pytest.raises(Killed):
        run_due(NIGHT)
    monkeypatch.undo()
    RetentionRun.objects.update(lease_until=NOON - DAY)  # a minute later
    assert run_due(NIGHT) == 1
    assert (newest().status, newest().archived) == ("done", 1)


@pytest.mark.django_db(transaction=True)
def test_two_beats_at_the_same_moment_run_each_slot_once():
    tenants = [TenantFactory() for _ in range(8)]
    for tenant in tenants[:4]:
        policy(tenant)
    now = NOON
    for _ in range(5):
        schedule.look(now)
        now = NIGHT if now == NOON else now + DAY
        together = threading.Barrier(4)
        threads = [threading.Thread(target=_take_everything, args=(now, together)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert RetentionRun.objects.count() == len(tenants)
        RetentionRun.objects.all().delete()


def _take_everything(now: datetime, together: threading.Barrier) -> None:
    try:
        schedule.look(now)
        found = schedule.due(now)
        together.wait()
        for slots in found:
            with contextlib.suppress(runs.Busy):
                if run := schedule.start(slots, now):
                    enforce.work(run)
    finally:
        connection.close()


def test_a_failure_to_resume_does_not_stop_what_is_due(acme, monkeypatch):
    def fail(**options):
        raise DatabaseError("as ordered")

    run_due(NOON)
    monkeypatch.setattr(enforce, "resume_interrupted", fail)
    assert run_due(NIGHT) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("module", "name"), [(enforce, "begin"), (moves, "move")])
def test_a_tenant_that_is_deleted_while_its_run_goes_on_is_deleted(monkeypatch, module, name):
    tenant, step, reached = TenantFactory(), getattr(module, name), threading.Event()
    remember(tenant, "hm", created_at=NOON - 100 * DAY, importance=0.1)

    def slowly(*given, **fields):
        done = step(*given, **fields)
        reached.set()
        time.sleep(0.5)
        return done

    def delete() -> None:
        reached.wait()
        try:
            tenant.delete()
        finally:
            connection.close()

    schedule.look(NOON)
    monkeypatch.setattr(module, name, slowly)
    deleting = threading.Thread(target=delete)
    deleting.start()
    run_due(NIGHT)
    deleting.join()
    assert not Tenant.objects.exists()
    assert not RetentionSlot.objects.exists()
    assert run_due(NIGHT) == 0
