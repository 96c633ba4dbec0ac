"""What workers do, as the admin's pages follow it: runs, and the filling of embedding spaces."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from memories import reembedding, space_tasks
from memories import tasks as embedding
from memories.models import EmbeddingJob, EmbeddingSpace, Message
from retention import by_hand, enforce, runs, tasks
from retention.models import Action, RetentionRun
from tests.factories import remember
from tests.integration.test_admin import url
from tests.integration.test_people import enter as enter
from tests.integration.test_spaces import NEW
from tests.schedules import policy


@pytest.fixture
def run(acme) -> RetentionRun:
    """Begun, for a worker to take up."""
    remember(acme, "one", "two", created_at=timezone.now() - timedelta(days=40))
    policy(acme, older_than_days=30)
    return enforce.run(tenant=acme, trigger="admin", started_by="x", seconds=0)


@pytest.fixture
def space(acme) -> EmbeddingSpace:
    """Beside the active one, empty."""
    remember(acme, "one", "two", "three")
    embedding.drain()
    return reembedding.space_for(NEW)


@pytest.fixture
def sent(monkeypatch) -> list[tuple]:
    """What workers would have been asked for: none runs here."""
    asked: list[tuple] = []
    for task in (space_tasks.fill_space, space_tasks.switch_space):

        def send(args, task=task, **options):
            asked.append((task.name.rpartition(".")[2], *args))

        monkeypatch.setattr(task, "apply_async", send)
    return asked


def progress_of(browser, run) -> dict:
    return browser.get(f"/admin/runs/{run.id}/progress/").json()


def test_it_works(root, run):
    said = progress_of(root, run)
    assert (said["finished"], said["done"], said["total"]) == (False, 0, None)
    assert "Looking for" in said["sentence"]
    page = root.get(url(RetentionRun, "change", run.pk)).content.decode()
    assert f"/admin/runs/{run.id}/progress/" in page
    tasks.run_due()
    said = progress_of(root, run)
    assert (said["finished"], said["done"], said["total"]) == (True, 2, 2)
    assert said["sentence"] == "2 archived."


def test_a_run_half_done_says_how_far_it_is(root, acme, run):
    assert runs.take(run)
    enforce.work(run, seconds=0, chunk=1)
    said = progress_of(root, run)
    assert (said["done"], said["total"], said["sentence"]) == (1, 2, "1 archived, of 2 rows.")


def test_a_run_is_undone_from_its_page(root, run):
    tasks.run_due()
    assert "Undo this run" in root.get(url(RetentionRun, "change", run.pk)).content.decode()
    answer = root.post(f"/admin/runs/{run.id}/undo/")
    undoing = RetentionRun.objects.get(kind="restore")
    assert str(undoing.id) in answer.headers["Location"]
    tasks.run_due()
    assert Message.objects.count() == 2
    page = root.get(url(RetentionRun, "change", run.pk)).content.decode()
    assert "It was undone" in page
    refused = root.post(f"/admin/runs/{undoing.id}/undo/", follow=True).content.decode()
    assert "was a restore itself" in refused


def test_a_run_that_is_not_theirs_is_not_there(enter, globex, run):
    browser = enter("support", "operator", tenants=[globex])
    assert browser.get(f"/admin/runs/{run.id}/progress/").status_code == 404
    assert browser.post(f"/admin/runs/{run.id}/undo/").status_code == 404
    assert browser.get(f"/admin/runs/{uuid4()}/progress/").status_code == 404


def test_an_auditor_follows_and_does_not_undo(enter, run):
    browser = enter("auditor")
    assert progress_of(browser, run)["total"] is None
    assert browser.post(f"/admin/runs/{run.id}/undo/").status_code == 403


def test_chosen_messages_move_alone_even_if_the_worker_comes_later(acme):
    one, two = remember(acme, "one", "two")
    row = by_hand.move_messages(
        tenant=acme, action=Action.ARCHIVE, trigger="admin", started_by="x", message_ids=[one.id], seconds=0
    )
    assert (row.planned, row.status) == (1, "running")
    tasks.run_due()
    assert [message.id for message in Message.objects.all()] == [two.id]


def test_nothing_is_begun_if_it_cannot_be_planned(acme, monkeypatch):
    """A run without its plan would be planned anew, for every message of the tenant."""
    [one] = remember(acme, "one")

    def fail(*args, **options):
        raise RuntimeError("disk full")

    monkeypatch.setattr(enforce, "plan", fail)
    with pytest.raises(RuntimeError):
        by_hand.move_messages(
            tenant=acme, action=Action.ARCHIVE, trigger="admin", started_by="x", message_ids=[one.id]
        )
    assert not RetentionRun.objects.exists()


def test_a_space_is_filled_and_switched_to_by_workers(root, acme, space, sent):
    path = f"/admin/spaces/{space.id}"
    said = root.get(f"{path}/progress/").json()
    assert (said["finished"], said["done"], said["total"]) == (False, 0, 3)
    assert "3 were never asked for" in said["sentence"]
    root.post(f"{path}/fill/")
    root.post(f"{path}/switch/")
    assert sent == [("fill_space", space.id), ("switch_space", space.id)]
    assert not space_tasks.switch_space(space.id), "it is not complete"
    space_tasks.fill_space(space.id)
    assert EmbeddingJob.objects.filter(space=space).count() == 3
    embedding.drain()
    assert root.get(f"{path}/progress/").json()["finished"]
    assert space_tasks.switch_space(space.id)
    assert EmbeddingSpace.objects.get(active=True) == space


def test_whoever_asked_for_a_switch_is_told_what_came_of_it(root, space, sent):
    path = f"/admin/spaces/{space.id}"

    def said() -> tuple[bool, str]:
        state = root.get(f"{path}/progress/?asked=1").json()
        return state["finished"], state["sentence"]

    page = root.post(f"{path}/switch/", follow=True)
    assert "progress/?asked=1" in page.content.decode()
    assert said() == (False, "A worker looks whether it is complete; then searches read it.")
    space_tasks.switch_space(space.id)
    finished, sentence = said()
    assert finished
    assert "Not switched: mock/hashed-words (64) lacks 3 messages: 3 were never asked for" in sentence
    space_tasks.fill_space(space.id)
    embedding.drain()
    root.post(f"{path}/switch/")
    assert not said()[0], "what an earlier worker said counts no more"
    space_tasks.switch_space(space.id)
    assert said() == (True, "Searches read this space. Nothing is missing.")


def test_the_list_of_spaces_switches_nothing(root, space, sent):
    root.post(url(EmbeddingSpace), {"action": "search_with", "_selected_action": [space.pk]})
    assert not EmbeddingSpace.objects.get(id=space.id).active


def test_filling_waits_while_many_jobs_do_and_goes_on_from_there(space, sent, monkeypatch):
    monkeypatch.setattr(reembedding, "CHUNK", 1)
    monkeypatch.setattr(space_tasks, "QUEUE", 1)
    space_tasks.fill_space(space.id)
    [(_, space_id, tenant_id, message_id)] = sent
    assert EmbeddingJob.objects.filter(space=space).count() == 2
    monkeypatch.setattr(space_tasks, "QUEUE", 100)
    space_tasks.fill_space(space_id, tenant_id, message_id)
    assert UUID(message_id)
    assert EmbeddingJob.objects.filter(space=space).count() == 3


def test_a_space_that_is_gone_is_left_alone(root, sent):
    space_tasks.fill_space(99)
    assert not space_tasks.switch_space(99)
    assert root.get("/admin/spaces/99/progress/").status_code == 404
    assert root.post("/admin/spaces/99/fill/").status_code == 404


def test_only_those_who_may_change_spaces_fill_and_switch(enter, space, sent):
    browser = enter("auditor")
    assert browser.get(f"/admin/spaces/{space.id}/progress/").status_code == 200
    for action in ("fill", "switch"):
        assert browser.post(f"/admin/spaces/{space.id}/{action}/").status_code == 403
    assert enter("support").get(f"/admin/spaces/{space.id}/progress/").status_code == 403
    assert sent == []


@pytest.mark.parametrize("path", ["runs/{}/undo/", "messages/{}/move/", "messages/{}/embed-again/"])
def test_what_changes_something_is_posted(root, path):
    assert root.get(f"/admin/{path.format(uuid4())}").status_code == 405
