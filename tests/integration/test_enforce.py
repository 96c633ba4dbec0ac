"""Retention runs: what they do, what they leave alone, how they end, go on and are undone."""

from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.utils import timezone

from memories import archive, tasks
from memories.models import ArchivedMessage, Message
from retention import enforce, preview, restoring, runs
from retention.models import LegalHold, PlannedMove, RetentionPolicy, RetentionRun
from tests.factories import remember
from tests.integration.test_archive import everything

NOW = timezone.now()


def old(tenant, *contents, days=100, **fields):
    """Messages said so many days ago, unimportant."""
    given = {"importance": 0.1, **fields}
    return remember(tenant, *contents, created_at=NOW - timedelta(days=days), **given)


def run(tenant, **given):
    return enforce.run(**{"tenant": tenant, "trigger": "command", "started_by": "test", "now": NOW, **given})


def policy(tenant, name="p", **rule):
    return RetentionPolicy.objects.create(tenant=tenant, name=name, **rule)


def counts(row):
    return {
        name: getattr(row, name) for name in ("archived", "deleted", "purged", "restored", "kept", "skipped")
    }


@pytest.fixture
def kept(acme):
    """Four that the default policy archives, three that it keeps."""
    due = old(acme, "one", "two", "three", "four")
    stays = (
        old(acme, "important", importance=0.9) + old(acme, "new", days=1) + old(acme, "pinned", pinned=True)
    )
    tasks.drain()
    return due, stays


def test_it_works(acme, globex, kept):
    due, stays = kept
    old(globex, "not asked for")
    row = run(acme)
    assert counts(row) == {"archived": 4, "deleted": 0, "purged": 0, "restored": 0, "kept": 3, "skipped": 0}
    assert (row.status, row.planned) == ("done", 4)
    assert set(Message.objects.filter(tenant=acme)) == set(stays)
    assert Message.objects.filter(tenant=globex).count() == 1
    archived = ArchivedMessage.objects.get(id=due[0].id)
    assert archived.reason == "older than 90 days and importance below 0.3"
    assert (archived.policy, archived.archived_by, archived.archived_at) == ("default", row.id, NOW)
    assert {"action": "archive", "policy": "default", "reason": archived.reason, "rows": 4} in row.reasons
    assert {"action": "keep", "policy": "default", "reason": "pinned", "rows": 1} in row.reasons
    assert not PlannedMove.objects.exists()


def test_a_preview_says_what_a_run_does_and_changes_nothing(acme, kept):
    policy(acme, "first", older_than_days=50, action="delete", keep_newest=5)
    policy(acme, "second", older_than_days=50, importance_below=0.5, delete_archived_after_days=0)
    before = everything()
    said = preview.preview(tenant=acme, now=NOW)
    assert everything() == before
    row = run(acme)
    assert (said.archived, said.deleted, said.purged, said.kept) == (
        row.archived,
        row.deleted,
        row.purged,
        row.kept,
    )
    done = sorted((each["action"], each["policy"], each["reason"], each["rows"]) for each in row.reasons)
    assert sorted((each.action, each.policy, each.reason, each.rows) for each in said.groups) == done
    assert sum(len(each.examples) for each in said.groups) >= 4
    assert all(each.bytes > 0 and each.oldest <= each.newest for each in said.groups)


def test_a_second_run_finds_nothing(acme, kept):
    run(acme)
    assert counts(run(acme))["archived"] == 0


def test_chunks_of_any_size_come_to_the_same(acme, kept, monkeypatch):
    begun = enforce.begin(tenant=acme, trigger="command", started_by="test", now=NOW)
    row = enforce.work(begun, chunk=1)
    assert (row.archived, row.skipped, row.kept) == (4, 0, 3)


def test_archives_are_deleted_after_their_time_and_purged_after_the_grace_period(acme, kept, settings):
    row = run(acme)
    later = NOW + timedelta(days=366)
    run(acme, now=later)
    marked = ArchivedMessage.objects.filter(tenant=acme, deleted_at=later)
    assert marked.count() == 5 - 1
    assert marked.first().deletion_reason == "more than 365 days in the archive"
    assert marked.first().archived_by == row.id
    last = run(acme, now=later + timedelta(days=6.9))
    assert last.purged == 0
    assert run(acme, now=later + timedelta(days=7)).purged == 4
    assert not ArchivedMessage.objects.filter(deleted_at=later).exists()


def test_without_a_grace_period_deleting_is_final(acme, kept, settings):
    settings.ENV = settings.ENV.model_copy(update={"retention_grace_days": 0})
    policy(acme, older_than_days=90, action="delete")
    assert run(acme).deleted == 5
    assert not ArchivedMessage.objects.exists()


def test_a_deletion_can_be_undone_in_the_grace_period(acme, kept):
    before = everything()
    policy(acme, older_than_days=90, action="delete")
    row = run(acme)
    assert row.deleted == 5
    back = restoring.restore_run(tenant=acme, run_id=row.id, trigger="api", started_by="test")
    assert (back.restored, back.status) == (5, "done")
    assert everything() == before
    row.refresh_from_db()
    assert row.restored_by == back.id


def test_restoring_a_run_that_deleted_from_the_archive_leaves_it_in_the_archive(acme, kept):
    run(acme)
    deleting = run(acme, now=NOW + timedelta(days=366))
    restoring.restore_run(tenant=acme, run_id=deleting.id, trigger="api", started_by="test")
    assert (deleting.archived, deleting.deleted) == (1, 4)  # the new one has become old
    assert ArchivedMessage.objects.filter(deleted_at=None).count() == 4
    assert Message.objects.filter(tenant=acme).count() == 3


@pytest.mark.parametrize(("kind", "subject"), [("tenant", ""), ("user", "u-1"), ("conversation", "conv-1")])
def test_a_legal_hold_wins_over_every_policy(acme, kind, subject):
    old(acme, "held", user_id="u-1")
    policy(acme, older_than_days=1, action="delete")
    LegalHold.objects.create(tenant=acme, kind=kind, subject=subject, reason="matter 7", placed_by="me")
    row = run(acme)
    assert (row.deleted, row.kept) == (0, 1)
    assert row.reasons == [{"action": "keep", "policy": "p", "reason": "legal hold", "rows": 1}]


def test_a_hold_stops_the_purge_too(acme, kept):
    policy(acme, older_than_days=90, action="delete")
    run(acme)
    LegalHold.objects.create(tenant=acme, kind="tenant", reason="matter 7", placed_by="me")
    assert run(acme, now=NOW + timedelta(days=30)).purged == 0
    assert ArchivedMessage.objects.count() == 5


def test_what_changes_after_the_plan_is_judged_again(acme, kept):
    due, _ = kept
    begun = enforce.begin(tenant=acme, trigger="command", started_by="test", now=NOW)
    enforce.plan(begun)
    Message.objects.filter(id=due[0].id).update(pinned=True)
    Message.objects.filter(id=due[1].id).update(importance=0.9)
    Message.objects.filter(id=due[2].id).delete()
    row = enforce.work(begun)
    assert (row.planned, row.archived, row.skipped) == (4, 1, 3)


def test_a_tenant_with_policies_of_its_own_has_left_the_default(acme, kept):
    policy(acme, older_than_days=1, enabled=False)
    assert run(acme).planned == 0


def test_without_a_default_nothing_happens(acme, kept, settings):
    settings.ENV = settings.ENV.model_copy(update={"retention_default": False})
    assert run(acme).planned == 0


def test_only_the_named_policies_act(acme, kept):
    first = policy(acme, "first", older_than_days=90, importance_below=0.3, priority=1)
    second = policy(acme, "second", older_than_days=50, priority=2)
    assert run(acme, policy_ids=[second.id]).archived == 1
    assert run(acme, policy_ids=[first.id]).archived == 4


def test_one_run_at_a_time(acme, kept):
    enforce.begin(tenant=acme, trigger="command", started_by="test")
    with pytest.raises(runs.Busy):
        run(acme)
    assert ArchivedMessage.objects.count() == 0


def test_a_run_that_takes_too_long_goes_on_later(acme, kept):
    begun = enforce.begin(tenant=acme, trigger="api", started_by="test", now=NOW)
    row = enforce.work(begun, seconds=0, chunk=1)
    assert (row.status, row.archived) == ("running", 1)
    [row] = enforce.resume_interrupted()
    assert (row.status, row.archived, row.kept) == ("done", 4, 3)


def test_an_interrupted_run_goes_on_with_its_own_policies_and_clock(acme, kept):
    begun = enforce.begin(tenant=acme, trigger="api", started_by="test", now=NOW)
    enforce.work(begun, seconds=0, chunk=1)
    policy(acme, older_than_days=1, action="delete")
    RetentionRun.objects.update(lease_until=NOW - timedelta(seconds=1))
    row = run(acme)
    first = RetentionRun.objects.get(id=begun.id)
    assert (first.archived, first.deleted, first.status) == (4, 0, "done")
    assert row.deleted == 2


def test_a_failure_in_a_chunk_moves_nothing_of_it(acme, kept, monkeypatch):
    def fail(**given):
        real(**given)
        raise DatabaseError("the disk is full")

    real = archive.to_archive
    before = everything()
    monkeypatch.setattr(archive, "to_archive", fail)
    with pytest.raises(DatabaseError):
        run(acme)
    assert everything() == before
    row = RetentionRun.objects.get()
    assert (row.status, row.archived, row.error) == ("running", 0, "DatabaseError")
    monkeypatch.undo()
    assert enforce.resume_interrupted()[0].archived == 4


def test_a_run_that_gets_nowhere_is_given_up(acme, kept, monkeypatch):
    monkeypatch.setattr(archive, "to_archive", lambda **_: _raise())
    with pytest.raises(DatabaseError):
        run(acme)
    for _ in range(runs.ATTEMPTS):
        with pytest.raises(DatabaseError):
            enforce.resume_interrupted()
    assert enforce.resume_interrupted() == []
    assert RetentionRun.objects.get().status == "failed"
    assert not PlannedMove.objects.exists()


def _raise():
    raise DatabaseError("broken")


def test_whoever_lost_the_lease_moves_nothing(acme, kept):
    begun = enforce.begin(tenant=acme, trigger="api", started_by="test", now=NOW)
    RetentionRun.objects.update(lease_until=NOW - timedelta(seconds=1))
    [taken] = enforce.resume_interrupted()
    assert taken.archived == 4
    old(acme, "five")
    assert enforce.work(begun).archived == 4
    assert Message.objects.filter(tenant=acme, content="five").exists()


def test_a_suspended_tenants_run_waits(acme, kept):
    enforce.work(enforce.begin(tenant=acme, trigger="api", started_by="t", now=NOW), seconds=0, chunk=1)
    acme.suspended_at = NOW
    acme.save()
    assert enforce.resume_interrupted() == []


def test_restoring_a_conversation_or_messages(acme, kept):
    other = old(acme, "elsewhere", conversation="conv-2")
    run(acme)
    row = restoring.restore_messages(tenant=acme, trigger="api", started_by="t", conversation_id="conv-2")
    assert row.restored == 1
    ids = [message.id for message in kept[0][:2]] + [other[0].id]
    row = restoring.restore_messages(tenant=acme, trigger="api", started_by="t", message_ids=ids)
    assert (row.restored, row.planned) == (2, 2)
    assert ArchivedMessage.objects.count() == 2


def test_a_restore_cannot_be_restored(acme, kept):
    row = run(acme)
    back = restoring.restore_run(tenant=acme, run_id=row.id, trigger="api", started_by="t")
    with pytest.raises(restoring.CannotRestore):
        restoring.restore_run(tenant=acme, run_id=back.id, trigger="api", started_by="t")


def test_another_tenants_run_is_not_there(acme, globex, kept):
    row = run(acme)
    with pytest.raises(RetentionRun.DoesNotExist):
        restoring.restore_run(tenant=globex, run_id=row.id, trigger="api", started_by="t")
    assert ArchivedMessage.objects.count() == 4


@pytest.mark.parametrize(
    ("index", "action", "reason"),
    [(0, "archive", "older than 90 days and importance below 0.3"), (3, "keep", "pinned")],
)
def test_why_one_message(acme, kept, index, action, reason):
    messages = [kept[0][0], *kept[1]]
    decision = preview.why(tenant=acme, message_id=messages[index].id, now=NOW)
    assert (decision.action, decision.reason) == (action, reason)


def test_why_an_archived_message(acme, kept):
    run(acme)
    decision = preview.why(tenant=acme, message_id=kept[0][0].id, now=NOW + timedelta(days=400))
    assert (decision.action, decision.reason) == ("delete", "more than 365 days in the archive")
