"""What of an answer shown in the documentation must be so, and what `...` leaves open."""

import pytest

from tests.shown_answers import differences, read_shown

REAL = {
    "id": 7,
    "name": "Ann",
    "score": 0.88,
    "at": "2026-03-02T09:15:00Z",
    "tags": ["a", "b"],
    "more": {"n": 1},
}


@pytest.mark.parametrize(
    "shown",
    [
        '{"id": 1, "name": "Ann", "score": 0.5, "at": "2020-01-01T00:00:00Z", "tags": ["a", "b"], "more": {"n": 1}}',
        '{"name": "Ann", ...}',
        '{"name": "A...", "tags": [...], "more": {...}, ...}',
        '{"tags": ["a", ...], ...}',
        "{...}",
    ],
)
def test_what_is_so(shown):
    assert differences(read_shown(shown), REAL) == []


@pytest.mark.parametrize(
    "shown",
    [
        '{"nam": "Ann", ...}',
        '{"name": "Tom", ...}',
        '{"name": "say ... Ann", ...}',
        '{"score": 1, ...}',
        '{"at": "today", ...}',
        '{"tags": ["a"], ...}',
        '{"tags": ["b", ...], ...}',
        '{"more": {"n": 2, ...}, ...}',
        '{"more": null, ...}',
        '{"id": "7", ...}',
    ],
)
def test_what_is_not(shown):
    assert len(differences(read_shown(shown), REAL)) == 1


def test_what_is_left_out_without_a_word():
    assert len(differences({"name": "Ann"}, REAL)) == len(REAL) - 1
