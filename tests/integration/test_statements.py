"""The statements of search, as PostgreSQL sees them."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg
import pytest
from django.conf import settings
from django.db import DatabaseError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from memories import search, statements, tasks
from tests.factories import remember


def prepared() -> int:
    [(count,)] = statements.rows("SELECT count(*) FROM pg_prepared_statements", [])
    return count


@pytest.fixture
def threshold(db):
    """How often the connection sends a statement before it prepares it; put back afterwards.

    What other tests asked is forgotten.
    """
    connection.ensure_connection()
    for kept in vars(connection.connection).pop("kept_statements", {}).values():
        kept.forget(connection.connection)
    before = connection.connection.prepare_threshold
    yield lambda value: setattr(connection.connection, "prepare_threshold", value)
    connection.connection.prepare_threshold = before


def test_it_works(db):
    assert statements.rows("SELECT %s::int, %s::text", [7, "it's"]) == [(7, "it's")]
    assert statements.rows("SELECT %(a)s::int[]", {"a": [1, 2]}) == [([1, 2],)]


def test_a_statement_asked_often_is_prepared(acme, threshold):
    threshold(2)
    remember(acme, "I love tea")
    tasks.drain()
    before = prepared()
    found = [search.search(tenant=acme, text="tea", top_k=5).found[0].message.content for _ in range(6)]
    assert found == ["I love tea"] * 6
    assert prepared() - before >= 5


def test_behind_a_pooler_nothing_is_prepared(acme, threshold):
    """MEMORY_DATABASE_PREPARE=false."""
    threshold(None)
    remember(acme, "I love tea")
    tasks.drain()
    before = prepared()
    for _ in range(8):
        assert search.search(tenant=acme, text="tea", top_k=5).found
    assert prepared() == before


def test_no_connection_holds_many_plans(acme, threshold):
    threshold(0)
    for number in range(3 * statements.PREPARED):
        statements.rows(f"SELECT {number}", [])
    assert prepared() <= statements.PREPARED + 1


def test_a_plan_is_kept_for_a_minute_at_most(db, monkeypatch):
    texts = []
    for moment in (59.0, 61.0):
        monkeypatch.setattr(time, "monotonic", lambda moment=moment: moment)
        with CaptureQueriesContext(connection) as captured:
            texts += statements.rows("SELECT current_query()", [])
    assert len(captured.captured_queries) == 1
    assert len({text for (text,) in texts}) == 2


@pytest.mark.parametrize("asked", [None, 0, 1])
def test_a_parameter_is_of_the_type_of_its_cast_whatever_python_calls_it(db, threshold, asked):
    threshold(asked)
    for value in (7, "7", None, 2**40):
        expected = None if value is None else int(value)
        assert statements.rows("SELECT %s::bigint, %s::text", [value, "%"]) == [(expected, "%")]


def test_a_parameter_may_stand_in_two_places_and_a_percent_sign_for_itself(db):
    sql = "SELECT %(a)s::int + %(b)s::int * %(a)s::int, 7 %% 4, 'a' LIKE '%%a'"
    assert statements.rows(sql, {"a": 2, "b": 3, "not asked for": 1}) == [(8, 3, True)]


def test_a_statement_without_rows_has_none(db):
    assert statements.rows("SELECT 1 WHERE false", []) == []
    assert statements.rows("CREATE TEMPORARY TABLE of_this_test (n int)", []) == []


@pytest.mark.django_db(transaction=True)
def test_it_begins_a_transaction_that_begins_with_it(acme):
    with suppress(LookupError), transaction.atomic():
        statements.rows("UPDATE tenants_tenant SET name = 'Globex' WHERE id = %s::bigint", [acme.id])
        raise LookupError
    acme.refresh_from_db()
    assert acme.name != "Globex"


@pytest.mark.django_db(transaction=True)
def test_a_lost_connection_is_an_error_of_the_database_and_the_next_is_a_new_one():
    [(mine,)] = statements.rows("SELECT pg_backend_pid()", [])
    with psycopg.connect(settings.ENV.database_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [mine])
    with pytest.raises(OperationalError):
        statements.rows("SELECT pg_backend_pid()", [])
    connection.close_if_unusable_or_obsolete()
    assert statements.rows("SELECT pg_backend_pid() <> %s::int", [mine]) == [(True,)]


def test_a_refused_statement_can_be_asked_again(db):
    for divisor, expected in ((0, None), (2, [(5,)])):
        try:
            with transaction.atomic():
                found = statements.rows("SELECT 10 / %s::int", [divisor])
        except DatabaseError:
            found = None
        assert found == expected


def test_a_new_connection_has_statements_of_its_own(db):
    assert statements.rows("SELECT 1", []) == [(1,)]
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(_in_a_connection_of_its_own).result() == [(1,)]


def _in_a_connection_of_its_own():
    try:
        return statements.rows("SELECT 1", [])
    finally:
        connection.close()


@pytest.mark.parametrize("text", ['a "b"', "c\\d", "{e,f}", "", "ÄÖ'; --", "NULL"])
def test_an_array_holds_any_text(db, text):
    given = [text, "and another"]
    assert statements.rows("SELECT %s::text[]", [statements.array(given)]) == [(given,)]


def test_what_the_database_refuses_is_django_s_error(db):
    with pytest.raises(DatabaseError):
        statements.rows("SELECT nothing", [])
