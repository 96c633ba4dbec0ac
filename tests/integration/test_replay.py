"""Buried jobs: seen by the operator, and tried again through the API, the command and the admin."""

import threading
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from memories import jobs, replay, tasks
from memories.embeddings import EmbeddingError, Fault, embed
from memories.models import EmbeddingJob, MessageEmbedding
from tenants.lifecycle import create_key
from tests.answers import problem_of
from tests.conftest import HANDLER, Api
from tests.factories import remember

LIST, REPLAY = "/v1/admin/jobs", "/v1/admin/jobs/replay"
REASON = "the text is refused"


@pytest.fixture
def provider(monkeypatch):
    """Refuses texts with `poison` in them while `refuses` is true."""

    class Picky:
        refuses = True

        def embed(self, texts, identity):
            if self.refuses and any("poison" in text for text in texts):
                raise EmbeddingError(REASON, fault=Fault.TEXT)
            return embed(texts, identity)

    picky = Picky()
    monkeypatch.setattr(jobs, "embed", picky.embed)
    return picky


@pytest.fixture
def buried(acme, globex, provider) -> list[EmbeddingJob]:
    """Two of acme and one of globex."""
    remember(acme, "poison one", "poison two", "wholesome")
    remember(globex, "poison three")
    tasks.drain()
    return list(EmbeddingJob.objects.buried().in_place_order())


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("replay_jobs", *arguments, stdout=out)
    return out.getvalue()


def browser(*permissions: str) -> Client:
    """Somebody of the staff with these permissions; none named: the superuser."""
    user = get_user_model().objects.create(username="ann", is_staff=True, is_superuser=not permissions)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.handler = HANDLER
    client.force_login(user)
    return client


def try_again(client: Client, chosen: list[EmbeddingJob]):
    form = {"action": "try_again", "_selected_action": [job.pk for job in chosen]}
    return client.post(reverse("admin:memories_embeddingjob_changelist"), form, follow=True)


def test_it_works(operator, bot, buried, provider, hints, django_capture_on_commit_callbacks):
    """A refused text ends embedded, once the provider takes it."""
    row = bot.get("/v1/messages", limit=100).json()["messages"][1]
    assert (row["content"], row["embedding_status"]) == ("poison two", "failed")
    provider.refuses = False
    with django_capture_on_commit_callbacks(execute=True):
        answer = operator.post(REPLAY, {})
    assert (answer.status_code, answer.json()) == (200, {"replayed": 3})
    assert len(hints) == 1
    assert tasks.drain() == 3
    assert not EmbeddingJob.objects.exists()
    assert MessageEmbedding.objects.count() == 4
    assert bot.get(f"/v1/messages/{row['id']}").json()["embedding_status"] == "ready"


def test_a_replayed_job_starts_afresh_and_keeps_its_reason_until_the_next_try(buried, provider):
    EmbeddingJob.objects.update(attempts=7, next_attempt_at=timezone.now() + timedelta(hours=1))
    assert replay.replay() == 3
    for job in EmbeddingJob.objects.all():
        assert (job.attempts, job.buried_at, job.lease_token, job.last_error) == (0, None, None, REASON)
    assert EmbeddingJob.objects.due().count() == 3
    assert replay.replay() == 0
    tasks.drain()
    assert EmbeddingJob.objects.buried().count() == 3


def test_a_replay_is_narrowed_by_tenant_and_by_ids(operator, buried):
    first, second, foreign = buried
    assert operator.post(REPLAY, {"tenant_id": "globex", "job_ids": [first.id]}).json() == {"replayed": 0}
    assert operator.post(REPLAY, {"job_ids": [second.id, second.id, 2**63 - 1]}).json() == {"replayed": 1}
    assert operator.post(REPLAY, {"tenant_id": "globex"}).json() == {"replayed": 1}
    assert list(EmbeddingJob.objects.buried()) == [first]
    assert set(EmbeddingJob.objects.open()) == {second, foreign}


def test_a_replay_leaves_open_jobs_alone(operator, acme):
    remember(acme, "one")
    later = timezone.now() + timedelta(hours=1)
    EmbeddingJob.objects.update(next_attempt_at=later, attempts=3)
    assert operator.post(REPLAY, {"job_ids": [EmbeddingJob.objects.get().id]}).json() == {"replayed": 0}
    job = EmbeddingJob.objects.get()
    assert (job.attempts, job.next_attempt_at) == (3, later)


def test_a_replay_of_many_goes_in_chunks_and_over_none_twice(buried, acme, provider, monkeypatch):
    """A worker that buries the first again before the last is reached does not keep it going for ever."""
    remember(acme, *(f"poison {n}" for n in range(7)))
    tasks.drain()
    monkeypatch.setattr(replay, "CHUNK", 2)
    work = replay._change_chunk

    def with_a_worker_beside(chunk, changes):
        places = work(chunk, changes)
        tasks.drain()
        return places

    monkeypatch.setattr(replay, "_change_chunk", with_a_worker_beside)
    assert replay.replay() == 10
    assert EmbeddingJob.objects.buried().count() == 10


@pytest.mark.django_db(transaction=True)
def test_a_job_that_somebody_holds_is_passed_over(buried):
    first, *others = buried

    def elsewhere(taken: list[int]) -> None:
        taken.append(replay.replay())
        connection.close()

    taken: list[int] = []
    with transaction.atomic():
        EmbeddingJob.objects.select_for_update().get(id=first.id)
        thread = threading.Thread(target=elsewhere, args=[taken])
        thread.start()
        thread.join()
    assert taken == [len(others)]
    assert list(EmbeddingJob.objects.buried()) == [first]


def test_jobs_are_listed_without_content(operator, buried):
    answer = operator.get(LIST, state="buried", tenant_id="globex")
    [job] = answer.json()["jobs"]
    row = buried[2]
    assert set(job) == {
        "id", "tenant_id", "message_id", "attempts", "next_attempt_at", "buried_at", "last_error", "created_at",
    }  # fmt: skip
    assert (job["id"], job["tenant_id"], job["message_id"]) == (row.id, "globex", str(row.message_id))
    assert (job["attempts"], job["last_error"]) == (row.attempts, REASON)
    assert job["buried_at"] is not None
    assert "poison" not in answer.content.decode()


def test_jobs_are_listed_by_state(operator, buried, acme):
    remember(acme, "waits")
    counts = {
        state: len(operator.get(LIST, **({"state": state} if state else {})).json()["jobs"])
        for state in ("buried", "open", None)
    }
    assert counts == {"buried": 3, "open": 1, None: 4}
    assert operator.get(LIST, state="open").json()["jobs"][0]["buried_at"] is None


def test_pages_follow_each_other_across_tenants(operator, buried, acme):
    remember(acme, "young, and listed with its tenant")
    seen, cursor = [], {}
    for _ in range(4):
        page = operator.get(LIST, limit=1, **cursor).json()
        seen += [job["id"] for job in page["jobs"]]
        cursor = {"cursor": page["next"]}
    assert page["next"] is None
    assert seen == list(EmbeddingJob.objects.in_place_order().values_list("id", flat=True))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", "lost"), ("state", ""), ("limit", "0"), ("limit", "101"), ("limit", "x"), ("cursor", ""),
        ("cursor", "x"), ("cursor", "é"), ("cursor", "MXwy" * 9), ("cursor", "LTF8MQ=="), ("cursor", "a\0"),
        ("tenant_id", ""), ("colour", "red"),
    ],
)  # fmt: skip
def test_a_wrong_list_is_refused_and_its_parameter_named(operator, name, value):
    problem_of(operator.get(LIST, **{name: value}), 400, field=name)


@pytest.mark.parametrize("ids", [[], [0], [-1], [2**63], ["x"], [None], [1.5], "1", 7, {}, None, [1] * 1001])
def test_wrong_job_ids_are_refused(operator, buried, ids):
    """An empty list is more likely a slip than a wish to replay nothing, and must not mean everything."""
    body = problem_of(operator.post(REPLAY, {"job_ids": ids}), 400)
    assert all(error["field"].startswith("job_ids") for error in body["errors"])
    assert EmbeddingJob.objects.buried().count() == 3


@pytest.mark.parametrize(
    "body", [b" ", b"[]", b"null", b'"x"', b'{"tenant": "acme"}', b'{"tenant_id": null}']
)
def test_a_wrong_body_replays_nothing(operator, buried, body):
    problem_of(operator.post(REPLAY, body), 400)
    assert EmbeddingJob.objects.buried().count() == 3


def test_no_body_at_all_means_everything(operator, buried):
    answer = operator.client.post(REPLAY, HTTP_X_API_KEY=operator.key, content_type="application/json")
    assert answer.json() == {"replayed": 3}


def test_an_unknown_tenant_is_404_and_not_made(operator, buried):
    problem_of(operator.get(LIST, tenant_id="nobody"), 404)
    problem_of(operator.post(REPLAY, {"tenant_id": "nobody"}), 404)


def test_jobs_are_for_operators_with_the_admin_scope(acme, bot, stranger, buried):
    tenants_admin = Api(create_key(tenant=acme, scopes=["read", "write", "admin"])[1])
    half_an_operator = Api(create_key(tenant=None, scopes=["read", "write"])[1])
    for api, status in ((stranger, 401), (bot, 403), (tenants_admin, 403), (half_an_operator, 403)):
        problem_of(api.get(LIST), status)
        problem_of(api.post(REPLAY, {}), status)
    assert EmbeddingJob.objects.buried().count() == 3


def test_the_command_counts_first_and_then_replays(buried):
    EmbeddingJob.objects.filter(id=buried[0].id).update(last_error="another reason")
    said = run("--dry-run")
    assert said.startswith("3 buried jobs would be due again.")
    assert [line.split(maxsplit=1) for line in said.splitlines()[1:]] == [
        ["2", REASON],
        ["1", "another reason"],
    ]
    assert EmbeddingJob.objects.buried().count() == 3
    assert run("--tenant", "globex") == "1 buried jobs are due again.\n"
    assert run() == "2 buried jobs are due again.\n"


def test_the_command_says_that_a_tenant_is_unknown(buried):
    with pytest.raises(CommandError, match="no tenant 'nobody'"):
        run("--tenant", "nobody")


def test_the_admin_tries_the_chosen_ones_again(buried, acme):
    remember(acme, "waits")
    waiting = EmbeddingJob.objects.open().get()
    page = try_again(browser(), [buried[0], waiting])
    assert "1 buried jobs are due again" in page.content.decode()
    assert list(EmbeddingJob.objects.buried().in_place_order()) == buried[1:]


def test_the_admin_lets_nobody_who_may_only_look_try_again(buried):
    try_again(browser("view_embeddingjob"), buried)
    assert EmbeddingJob.objects.buried().count() == 3
    get_user_model().objects.all().delete()
    try_again(browser("view_embeddingjob", "change_embeddingjob"), buried)
    assert not EmbeddingJob.objects.buried().exists()
