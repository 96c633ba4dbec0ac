"""Messages that come for one tenant at the same moment share a transaction, and only that."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import IntegrityError, connection
from prometheus_client import REGISTRY

from memories import ingest, spaces
from memories.models import EmbeddingJob, Message
from retention import erasure
from tenants import isolation
from tests.answers import problem_of
from tests.at_once import somebody_waits, uncommitted, until
from tests.conftest import Api
from tests.factories import remember

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "/v1/messages"
HELLO = {"conversation_id": "c", "role": "user"}


@pytest.fixture(autouse=True)
def space(db):
    """The first message of an installation makes it, and would be waited for."""
    return spaces.active_space()


def one_under_way(api: Api, tenant):
    """What the API answers. See `waiting_behind`."""
    return waiting_behind(tenant, lambda content, **more: api.post(PATH, HELLO | {"content": content} | more))


@contextmanager
def waiting_behind(tenant, store: Callable[..., Any]):
    """with waiting_behind(...) as (send, answers): a transaction for the tenant waits in PostgreSQL until the block
    ends, and what is sent meanwhile waits for it. `answers`, after that: of the first and of all that was sent, what
    `store` returned or raised."""
    sent: list[Future] = []

    def stored(content: str, **more) -> Any:
        try:
            return store(content, **more)
        finally:
            connection.close()

    with (
        ThreadPoolExecutor(16) as pool,
        uncommitted(lambda: remember(tenant, "held", conversation="c", external_id="x")) as commit,
    ):
        sent.append(pool.submit(stored, "held", external_id="x"))
        until(somebody_waits)
        [waiting] = ingest._commits._waiting.values()

        def send(content: str, **more) -> None:
            before = len(waiting)
            sent.append(pool.submit(stored, content, **more))
            until(lambda: len(waiting) > before)

        answers: list = []
        yield send, answers
        commit()
        answers += [each.exception(30) or each.result() for each in sent]


def transactions(tenant) -> list[list[str]]:
    """The texts that each transaction has stored."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT array_agg(content ORDER BY content) FROM memories_message
               WHERE tenant_id = %s AND external_id IS DISTINCT FROM 'x' GROUP BY xmin::text ORDER BY 1""",
            [tenant.id],
        )
        return [texts for (texts,) in cursor.fetchall()]


def test_it_works(bot, acme):
    with one_under_way(bot, acme) as (send, answers):
        for content in ("a", "b", "c"):
            send(content)
    assert [answer.status_code for answer in answers] == [201] * 4
    assert answers[0].headers["Idempotent-Replayed"] == "true"
    assert transactions(acme) == [["a", "b", "c"]]
    ids = {answer.json()["id"] for answer in answers}
    assert {str(each) for each in Message.objects.values_list("id", flat=True)} == ids
    assert {str(each) for each in EmbeddingJob.objects.values_list("message_id", flat=True)} == ids


def test_the_same_external_id_is_stored_once(bot, acme):
    with one_under_way(bot, acme) as (send, answers):
        send("a", external_id="y")
        send("a", external_id="y")
    assert len({answer.json()["id"] for answer in answers[1:]}) == 1
    assert ["Idempotent-Replayed" in answer.headers for answer in answers[1:]] == [False, True]


def test_a_conflict_is_told_to_one_and_the_others_are_stored(bot, acme):
    with one_under_way(bot, acme) as (send, answers):
        send("a")
        send("something else", external_id="x")
        send("b")
    assert [answer.status_code for answer in answers] == [201, 201, 409, 201]
    assert "external_id: taken" in problem_of(answers[2], 409)["detail"]
    assert sorted(text for texts in transactions(acme) for text in texts) == ["a", "b"]


def test_the_erased_are_refused_and_the_others_stored(bot, acme):
    remember(acme, "gone", user_id="ann")
    erasure.erase_user(tenant=acme, user_id="ann", requested_by="test")
    with one_under_way(bot, acme) as (send, answers):
        send("a", user_id="ben")
        send("late", user_id="ann", created_at="2020-01-01T00:00:00Z")
    assert [answer.status_code for answer in answers] == [201, 201, 409]
    assert "user_id: erased" in problem_of(answers[2], 409)["detail"]
    assert transactions(acme) == [["a"]]


def test_what_fits_into_a_quota_is_stored(bot, acme):
    acme.message_quota = 3
    acme.save()

    def refusals() -> float:
        return REGISTRY.get_sample_value("memory_quota_refusals_total", {"quota": "messages"}) or 0.0

    before = refusals()
    with one_under_way(bot, acme) as (send, answers):
        for content in ("a", "b", "c", "d"):
            send(content)
    assert sorted(answer.status_code for answer in answers) == [201, 201, 201, 403, 403]
    assert Message.objects.count() == 3
    assert refusals() == before + 2


def test_the_others_are_stored_where_one_breaks_a_constraint(acme):
    """The API lets nothing by that the database would refuse: so this one comes by the use case."""

    def store(content: str, **more) -> Any:
        new = ingest.NewMessage(conversation_id="c", role="user", content=content, **more)
        return ingest.store(tenant=acme, messages=[new])

    with waiting_behind(acme, store) as (send, answers):
        send("good")
        send("bad", importance=7.0)
    _, [good], refusal = answers
    assert good.message.content == "good"
    assert isinstance(refusal, IntegrityError)
    assert transactions(acme) == [["good"]]


def test_a_large_batch_waits_for_nobody(bot, acme):
    with one_under_way(bot, acme):
        messages = [HELLO | {"content": f"{number}"} for number in range(ingest.GROUPED_ROWS + 1)]
        done = threading.Thread(
            target=lambda: (bot.post(f"{PATH}/batch", {"messages": messages}), connection.close())
        )
        done.start()
        done.join(30)
        assert Message.objects.count() == len(messages)


def test_tenants_and_reaches_stay_apart(acme, globex):
    """Who may reach all tenants writes by itself: a row that the database would refuse the others never goes along."""
    seen: list[tuple] = []
    write = ingest._commits.write

    def noted(key, rows, do):
        seen.append(key)
        return write(key, rows, do)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest._commits, "write", noted)
        for tenant in (acme, globex):
            remember(tenant, "hi")
            with isolation.within(tenant.id):
                remember(tenant, "hi")
    assert len(set(seen)) == 4
    assert [key[0] for key in seen] == [acme.id, acme.id, globex.id, globex.id]
