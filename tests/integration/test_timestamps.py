"""Timestamps are read from the database in C: they must be what Django's own reading makes of them."""

from datetime import UTC, datetime

import pytest
from django.db import DataError, connection
from psycopg.pq import Format

from memory_layer.postgresql.base import _OID, UtcLoader
from tests.factories import remember

pytestmark = pytest.mark.django_db


def read(text: str) -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::timestamptz", [text])
        return cursor.fetchone()[0]


def test_it_works(acme):
    with connection.cursor() as cursor:
        assert cursor.adapters.get_loader(_OID, Format.TEXT) is UtcLoader
    moment = datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=UTC)
    [message] = remember(acme, "hello", created_at=moment)
    message.refresh_from_db()
    assert (message.created_at, message.created_at.tzinfo) == (moment, UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1900-01-01 00:00:00+00", datetime(1900, 1, 1, tzinfo=UTC)),
        ("0001-01-01 00:00:00+00", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31 23:59:59.999999+00", datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("2024-06-01 12:00:00+05:30", datetime(2024, 6, 1, 6, 30, tzinfo=UTC)),
        ("2024-06-01 12:00:00.5 Europe/Berlin", datetime(2024, 6, 1, 10, 0, 0, 500000, tzinfo=UTC)),
    ],
)
def test_every_moment_is_in_utc(text, moment):
    found = read(text)
    assert (found, found.tzinfo) == (moment, UTC)


@pytest.mark.parametrize("text", ["infinity", "0044-03-15 BC"])
def test_what_python_cannot_hold_is_an_error(text):
    with pytest.raises(DataError):
        read(text)
