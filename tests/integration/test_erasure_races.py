"""Erasing while others embed, store, archive and restore: nothing of the erased comes back."""

import random
import threading
import time
from datetime import timedelta
from functools import partial

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection
from django.utils import timezone

from memories import ingest, jobs
from memories.legal_holds import Held
from memories.models import (
    ArchivedEmbedding,
    ArchivedMessage,
    EmbeddingJob,
    Message,
    MessageEmbedding,
    TermChange,
    TermStatistic,
)
from retention import barrier, erasure, personal_data
from retention.models import ErasureReceipt, LegalHold, PlannedMove
from tenants import isolation
from tests.at_once import at_once, uncommitted
from tests.factories import remember
from tests.integration.test_archive import archive_all, restore_all

pytestmark = pytest.mark.django_db(transaction=True)

RACES = 10
TABLES = (
    Message,
    MessageEmbedding,
    EmbeddingJob,
    ArchivedMessage,
    ArchivedEmbedding,
    PlannedMove,
    TermChange,
    TermStatistic,
)


def erase(tenant):
    return erasure.erase_user(tenant=tenant, user_id="ann", requested_by="test")


@pytest.fixture
def impatient(monkeypatch) -> None:
    """Whoever works with the database as it was before is not waited for long."""
    monkeypatch.setattr(barrier, "WRITERS_SECONDS", 0.05)
    monkeypatch.setattr(barrier, "READERS_SECONDS", 0.05)


def soon(act, dice: random.Random):
    """The act after up to 20 ms, about what the other side takes."""
    pause = dice.uniform(0, 0.02)

    def later():
        time.sleep(pause)
        return act()

    return later


def lock(message: Message) -> None:
    Message.objects.select_for_update().get(tenant_id=message.tenant_id, id=message.id)


def rows() -> dict[str, int]:
    return {model.__name__: count for model in TABLES if (count := model.objects.count())}


def test_no_vector_comes_back_from_a_worker(acme):
    dice = random.Random(1)
    erased = 0
    for _ in range(RACES):
        remember(acme, *[f"boat {n}" for n in range(20)], user_id="ann")
        receipt, _ = at_once(soon(lambda: erase(acme), dice), soon(jobs.run_batch, dice))
        assert receipt.verified
        erased += receipt.counts["memories_message"]
        assert rows() == {}
    assert erased == 20 * RACES


def test_no_message_comes_back_from_the_archive(acme):
    dice = random.Random(2)
    for _ in range(RACES):
        messages = remember(acme, *[f"boat {n}" for n in range(20)], user_id="ann")
        archive_all(acme, *messages[:10])
        receipt, *_ = at_once(
            soon(lambda: erase(acme), dice),
            soon(partial(archive_all, acme, *messages[10:]), dice),
            soon(lambda: restore_all(acme), dice),
        )
        assert receipt.verified
        assert (
            receipt.counts.get("memories_message", 0) + receipt.counts.get("memories_archivedmessage", 0)
            == 20
        )
        assert rows() == {}


def test_no_message_is_taken_back_from_an_ingest(acme):
    """Old messages come in all the time; those before the erasure go, those after it are refused."""
    stop, stored, refused = threading.Event(), [], []

    def ingest_old() -> None:
        while not stop.is_set():
            try:
                stored.extend(
                    remember(acme, "old", user_id="ann", created_at=timezone.now() - timedelta(days=1))
                )
            except ingest.Erased:
                refused.append(1)

    def erase_then_stop():
        time.sleep(0.1)
        receipt = erase(acme)
        time.sleep(0.05)
        stop.set()
        return receipt

    receipt, *_ = at_once(erase_then_stop, ingest_old, ingest_old)
    assert refused
    assert receipt.verified
    assert receipt.counts["memories_message"] == len(stored) > 0
    assert rows() == {}


def test_an_ingest_that_is_not_committed_yet_is_waited_for(acme):
    with uncommitted(lambda: remember(acme, "in flight", user_id="ann")) as commit:
        receipt, _ = at_once(lambda: erase(acme), lambda: (time.sleep(0.3), commit()))
    assert (receipt.verified, receipt.counts["memories_message"]) == (True, 1)
    assert receipt.finished_at - receipt.started_at > timedelta(seconds=0.2)
    assert rows() == {}


def test_one_that_takes_too_long_leaves_it_unsure_and_the_next_erasure_takes_it(acme, impatient):
    remember(acme, "committed", user_id="ann")
    with uncommitted(lambda: remember(acme, "in flight", user_id="ann")) as commit:
        receipt = erase(acme)
        assert (receipt.verified, receipt.counts["memories_message"]) == (False, 1)
        commit()
    assert Message.objects.get().content == "in flight"
    assert erase(acme).verified
    assert rows() == {}


def test_whoever_only_reads_for_long_does_not_stop_it(acme, monkeypatch):
    monkeypatch.setattr(barrier, "READERS_SECONDS", 0.1)
    remember(acme, "committed", user_id="ann")

    def read() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SELECT count(*) FROM memories_message")

    with uncommitted(read):
        assert erase(acme).verified
        assert rows() == {}


def test_a_killed_erasure_is_called_again(acme, impatient):
    """Its connection is cut while it waits for a row, between two chunks: what is gone is gone, the rest goes next."""
    messages = remember(acme, *[f"boat {n}" for n in range(20)], user_id="ann")
    archive_all(acme, *messages[:5])

    def cut() -> None:
        deadline = time.monotonic() + 10
        with isolation.reaching(isolation.LOGIN), connection.cursor() as cursor:
            while time.monotonic() < deadline:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE wait_event_type = 'Lock' AND query LIKE '%%FOR UPDATE%%'"
                )
                if cursor.fetchall():
                    return
                time.sleep(0.01)

    def erase_and_fail() -> None:
        with pytest.raises(OperationalError):
            erase(acme)

    with uncommitted(partial(lock, messages[19])):
        at_once(erase_and_fail, cut)
        with pytest.raises(ingest.Erased):
            remember(acme, "late", user_id="ann", created_at=timezone.now() - timedelta(days=1))
    assert Message.objects.count() == 15
    assert erase(acme).verified
    assert rows() == {}


def test_a_hold_that_comes_in_between_stops_it_with_a_receipt(acme, impatient, monkeypatch):
    monkeypatch.setattr("retention.removal.CHUNK", 5)
    messages = remember(acme, *[f"boat {n}" for n in range(20)], user_id="ann")

    def place_hold(commit) -> None:
        time.sleep(0.4)  # the first chunk is gone, the second waits
        LegalHold.objects.create(tenant=acme, kind="user", subject="ann", reason="7", placed_by="x")
        commit()

    def erase_and_fail() -> None:
        with pytest.raises(Held):
            erase(acme)

    with uncommitted(partial(lock, messages[7])) as commit:
        at_once(erase_and_fail, lambda: place_hold(commit))
    receipt = ErasureReceipt.objects.get()
    assert (
        (receipt.verified, receipt.counts["memories_message"])
        == (False, Message.objects.count())
        == (False, 10)
    )


def test_nothing_is_erased_while_a_table_is_not_classed(acme, monkeypatch):
    remember(acme, "stays", user_id="ann")
    monkeypatch.delitem(personal_data.NOTHING_PERSONAL, "memories.Corpus")
    with pytest.raises(ImproperlyConfigured, match=r"memories\.Corpus"):
        erase(acme)
    assert Message.objects.count() == 1
