"""The statements of search, as PostgreSQL sees them."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from memories import search, statements, tasks
from tests.factories import remember


def prepared() -> int:
    [(count,)] = statements.rows("SELECT count(*) FROM pg_prepared_statements", [])
    return count


@pytest.fixture
def threshold(db):
    """How often the connection sends a statement before it prepares it; put back afterwards."""
    connection.ensure_connection()
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


def test_a_statement_reads_each_answer_by_its_own_types(db):
    """The cursor kept for a text must not read by what it knows of the answer before."""
    for value in (7, "seven", [1.5], None):
        assert statements.rows("SELECT %s", [value]) == [(value,)]


def test_a_refused_statement_can_be_asked_again(db):
    for divisor, expected in ((0, None), (2, [(5,)])):
        try:
            with transaction.atomic():
                found = statements.rows("SELECT 10 / %s::int", [divisor])
        except DatabaseError:
            found = None
        assert found == expected


def test_a_new_connection_has_cursors_of_its_own(db):
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
