"""Embedding jobs in the admin: their states, and what is done with those that are chosen."""

from datetime import timedelta
from uuid import uuid4

from django.utils import timezone

from memories import leases, tasks
from memories.models import EmbeddingJob
from memories.spaces import active_space
from tests.factories import remember
from tests.integration.test_admin import url


def each_state(tenant) -> list[EmbeddingJob]:
    """A job that is due, one that backs off, one that is being worked on, and one that was given up."""
    remember(tenant, "one", "two", "three", "four")
    found = _, waits, held, gone = list(EmbeddingJob.objects.order_by("id"))
    later = timezone.now() + timedelta(hours=1)
    EmbeddingJob.objects.filter(id__in=[waits.id, held.id]).update(next_attempt_at=later)
    EmbeddingJob.objects.filter(id=held.id).update(lease_token=uuid4())
    EmbeddingJob.objects.filter(id=gone.id).update(buried_at=timezone.now())
    return found


def test_it_works(root, acme):
    """Each of the four states is told, and the two filters leave what fits."""
    each_state(acme)
    page = root.get(url(EmbeddingJob)).content.decode()
    assert [state for state in ("due", "backs off", "being worked on", "given up") if state not in page] == []
    listed = {
        state: len(root.get(url(EmbeddingJob), {"state": state}).context["cl"].result_list)
        for state in ("open", "buried")
    }
    assert listed == {"open": 3, "buried": 1}


def test_jobs_that_back_off_are_hurried_and_others_left_alone(root, acme):
    due, waits, held, gone = each_state(acme)
    chosen = {"action": "hurry", "_selected_action": [job.id for job in (waits, held, due, gone)]}
    page = root.post(url(EmbeddingJob), chosen, follow=True).content.decode()
    assert "1 jobs are tried now" in page
    assert set(EmbeddingJob.objects.due().values_list("id", flat=True)) == {waits.id, due.id}


def test_a_job_is_given_up_by_hand_and_its_worker_stores_nothing(root, acme):
    remember(acme, "one")
    [claim] = leases.claim(space_id=active_space().id, token=(token := uuid4()))
    chosen = {"action": "give_up", "_selected_action": [claim.job_id]}
    assert "1 jobs were given up" in root.post(url(EmbeddingJob), chosen, follow=True).content.decode()
    job = EmbeddingJob.objects.get()
    assert (job.buried_at is None, job.last_error) == (False, "Given up by root.")
    assert leases.finish([claim], [[1.0] * 256], space_id=active_space().id, token=token) == 0
    root.post(url(EmbeddingJob), {"action": "try_again", "_selected_action": [job.id]})
    tasks.drain()
    assert not EmbeddingJob.objects.exists()
