"""Whose rows a statement reaches: in transactions and out of them, over connections that change hands, to its end."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.db import DatabaseError, ProgrammingError, connection, transaction
from django.utils import timezone

from memories import ingest, search, statements, tasks
from memories.models import Message
from retention import export
from tenants import isolation, metrics
from tenants.isolation import BEYOND, LOGIN, NOBODY, of_tenant
from tenants.models import Tenant
from tests.at_once import at_once
from tests.factories import TenantFactory, remember

COUNT = "SELECT count(*)::int FROM memories_message"


def seen() -> set[str]:
    return {each.content for each in Message.objects.all()}


def session() -> psycopg.Connection:
    connection.ensure_connection()
    return connection.connection


def outside() -> str:
    """The role of the session where nothing is said, asked past everything of ours."""
    with psycopg.Cursor(session()) as cursor:
        return cursor.execute(
            "SELECT current_user || coalesce(current_setting('memory.tenant', true), '')"
        ).fetchone()[0]


@pytest.fixture
def web(monkeypatch):
    """This process answers requests."""
    monkeypatch.setattr(isolation, "_default", NOBODY)
    connection.close()
    yield
    connection.close()


@pytest.fixture
def pooled(settings):
    """MEMORY_DATABASE_POOLED=true."""
    connection.close()
    settings.ENV = settings.ENV.model_copy(update={"database_pooled": True})
    yield
    connection.close()


def test_it_works(acme, globex):
    remember(acme, "mine")
    remember(globex, "theirs")
    assert seen() == {"mine", "theirs"}
    with isolation.reaching(of_tenant(acme.id)):
        assert seen() == {"mine"}
        with isolation.beyond():
            assert seen() == {"mine", "theirs"}
        assert seen() == {"mine"}
    with isolation.reaching(NOBODY):
        assert seen() == set()


def test_a_rollback_to_a_savepoint_does_not_bring_another_reach_back(acme, globex):
    remember(acme, "mine")
    remember(globex, "theirs")
    with isolation.reaching(of_tenant(acme.id)):
        assert seen() == {"mine"}
        with transaction.atomic(), isolation.reaching(of_tenant(globex.id)):
            assert seen() == {"theirs"}
            transaction.set_rollback(True)
        assert seen() == {"mine"}
        with isolation.reaching(of_tenant(globex.id)):
            with pytest.raises(DatabaseError), transaction.atomic():
                statements.rows("SELECT 1 / 0", [])
            assert seen() == {"theirs"}


def test_what_works_for_a_tenant_cannot_reach_another(acme, globex):
    for reach in (NOBODY, of_tenant(globex.id), isolation.of_key(b"x" * 32)):
        with isolation.reaching(reach), pytest.raises(isolation.CrossesTenants):
            statements.rows_of(acme.id, COUNT, [])
        with isolation.reaching(reach), pytest.raises(isolation.CrossesTenants):
            search.search(tenant=acme, text="tea", top_k=1)
    for reach in (BEYOND, of_tenant(acme.id)):
        with isolation.reaching(reach):
            assert statements.rows_of(acme.id, COUNT, []) == [(0,)]


def test_what_the_database_refuses_is_counted(acme, globex):
    counter = metrics.DATABASE_REFUSALS.labels("tenant")
    before = counter._value.get()
    with isolation.reaching(of_tenant(acme.id)), pytest.raises(ProgrammingError), transaction.atomic():
        statements.rows("SELECT * FROM auth_user", [])
    assert counter._value.get() == before + 1


def test_a_row_of_another_tenant_is_a_500_without_a_word_about_it(bot, globex, monkeypatch):
    store = ingest.store
    monkeypatch.setattr(ingest, "store", lambda tenant, messages: store(tenant=globex, messages=messages))
    answer = bot.post("/v1/messages", {"conversation_id": "c", "role": "user", "content": "secret words"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert "policy" not in answer.content.decode()
    assert not Message.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_statements_together_are_one_transaction_and_each_sees_what_is_committed(acme):
    def ids() -> list[str]:
        return [row[0] for row in statements.rows("SELECT pg_current_xact_id()::text", [])]

    with isolation.reaching(of_tenant(acme.id)):
        assert ids() != ids()
        with isolation.together():
            first = ids()
            with isolation.together():
                assert ids() == first
            assert session().pgconn.transaction_status == psycopg.pq.TransactionStatus.INTRANS
            at_once(lambda: remember(acme, "new"))
            assert seen() == {"new"}
            isolation.let_go()
            assert session().pgconn.transaction_status == psycopg.pq.TransactionStatus.IDLE
            assert ids() != first
        assert session().pgconn.transaction_status == psycopg.pq.TransactionStatus.IDLE


@pytest.mark.django_db(transaction=True)
def test_an_error_among_statements_together_spoils_no_other(acme):
    remember(acme, "tea")
    with isolation.reaching(of_tenant(acme.id)), isolation.together():
        assert seen() == {"tea"}
        with pytest.raises(DatabaseError):
            statements.rows("SELECT 1 / 0", [])
        assert seen() == {"tea"}
        with transaction.atomic():
            Message.objects.update(pinned=True)
        assert seen() == {"tea"}
    assert Message.objects.get().pinned


@pytest.mark.django_db(transaction=True)
def test_no_transaction_waits_for_the_provider(bot, acme, monkeypatch):
    remember(acme, "tea")
    tasks.drain()
    found, embed = [], search.embed

    def watched(*args):
        found.append(session().pgconn.transaction_status)
        return embed(*args)

    monkeypatch.setattr(search, "is_remote", lambda _: True)
    monkeypatch.setattr(search, "embed", watched)
    assert bot.get("/v1/memory/search", query="tea").json()["results"]
    assert (
        bot.post("/v1/memory/context", {"query": "tea time", "conversation_id": "conv-1"}).status_code == 200
    )
    assert found == [psycopg.pq.TransactionStatus.IDLE] * 2


@pytest.mark.django_db(transaction=True)
def test_an_export_keeps_its_reach_when_the_request_has_ended(operator, web, monkeypatch):
    monkeypatch.setattr(export, "PAGE", 2)
    with isolation.beyond():
        acme, globex = TenantFactory(name="acme"), TenantFactory(name="globex")
        remember(acme, "one", "two", "three", user_id="ann")
        remember(globex, "four", user_id="ann")
    answer = operator.get("/v1/users/ann/export", tenant_id="acme")
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert len(lines) == 4
    assert "four" not in "".join(lines)
    assert outside() == "memory_web"


@pytest.mark.django_db(transaction=True)
def test_a_web_process_reaches_nothing_until_a_key_says_whose(operator, web):
    with isolation.beyond():
        acme = TenantFactory(name="acme")
        remember(acme, "tea")
    assert seen() == set()
    assert outside() == "memory_web"
    with pytest.raises(ProgrammingError, match="permission denied"):
        statements.rows("SELECT * FROM auth_user", [])
    with pytest.raises(ProgrammingError):
        Message.objects.bulk_create(
            [Message(tenant_id=acme.id, content="x", role="user", importance=1, word_count=1)]
        )
    listed = operator.get("/v1/messages", tenant_id="acme").json()["messages"]
    assert [each["content"] for each in listed] == ["tea"]
    assert seen() == set()


@pytest.mark.django_db(transaction=True)
def test_a_thousand_tenants_in_turn_over_four_connections_never_cross(web):
    crossings, lock = [], threading.Lock()
    with isolation.beyond():
        tenants = Tenant.objects.bulk_create(TenantFactory.build_batch(1000))
        fields = {"role": "user", "importance": 1, "word_count": 1, "created_at": timezone.now()}
        Message.objects.bulk_create(Message(tenant=each, content=each.name, **fields) for each in tenants)

    def take_turns(start: int) -> int:
        taken = 0
        for number in range(250):
            tenant = tenants[4 * number + start]
            with isolation.reaching(of_tenant(tenant.id)):
                if number % 3 == 0:
                    with transaction.atomic():
                        found = seen()
                elif number % 3 == 1:
                    with isolation.together():
                        found = seen() | {
                            row[0] for row in statements.rows("SELECT content FROM memories_message", [])
                        }
                else:
                    found = {row[0] for row in statements.rows("SELECT content FROM memories_message", [])}
            if found != {tenant.name} or seen():
                with lock:
                    crossings.append((tenant.name, found))
            taken += 1
        connection.close()
        return taken

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(take_turns, range(4))) == 1000
    assert crossings == []


@pytest.mark.django_db(transaction=True)
def test_behind_a_pooler_the_session_stays_the_logins(pooled, bot, acme):
    remember(acme, "I love tea")
    tasks.drain()
    assert bot.get("/v1/memory/search", query="tea").json()["results"]
    assert (
        bot.post("/v1/messages", {"conversation_id": "c", "role": "user", "content": "more"}).status_code
        == 201
    )
    assert seen() == {"I love tea", "more"}
    assert outside() == "memory"
    with psycopg.Cursor(session()) as cursor:
        assert cursor.execute(COUNT).fetchone()[0] == 0
    with isolation.reaching(LOGIN):
        assert seen() == set()
