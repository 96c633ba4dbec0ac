"""Cursors of message lists."""

import base64
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from tenants import cursors

ID = UUID("01932c07-2f1c-7c3e-8f00-000000000001")


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=-11, minutes=-30))),
        datetime(1900, 1, 1, tzinfo=UTC),
    ],
)
def test_it_works(moment):
    cursor = cursors.encode(moment, ID)
    assert cursors.decode(cursor) == (moment, ID)
    assert cursor.isascii()
    assert not set(cursor) & set("+/&#? ")


def _b64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "not base64!",
        "é",
        "\ud800",
        base64.urlsafe_b64encode(b"\xff\xff").decode(),
        _b64("2026-01-02"),
        _b64(f"2026-01-02|{ID}"),
        _b64(f"yesterday|{ID}"),
        _b64("2026-01-02T00:00:00+00:00|7"),
        _b64(f"99999-01-02T00:00:00+00:00|{ID}"),
        cursors.encode(datetime(2026, 1, 2, tzinfo=UTC), ID)[:-4],
    ],
    ids=ascii,
)
def test_what_is_no_cursor_is_a_value_error(cursor):
    with pytest.raises(ValueError, match=r"."):
        cursors.decode(cursor)


def test_a_row_with_a_number():
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    assert cursors.decode_numbered(cursors.encode(moment, 7)) == (moment, 7)
    for wrong in (_b64("2026-01-02|7"), cursors.encode(moment, -1), cursors.encode(moment, 2**63)):
        with pytest.raises(ValueError, match=r"no (offset|id)"):
            cursors.decode_numbered(wrong)


@pytest.mark.parametrize("parts", [("-1",), (str(2**63),), ("x",), ("",), ("1", "2")])
def test_what_is_no_id_is_refused(parts):
    with pytest.raises(ValueError, match=r".*"):
        cursors.unpack_numbers(cursors.pack(*parts), 1)
    assert cursors.unpack_numbers(cursors.pack(0, 2**63 - 1), 2) == [0, 2**63 - 1]
