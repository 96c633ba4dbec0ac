"""Which time a question is about."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memories.mentioned_time import Span, closeness, mentioned_span

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)  # a Wednesday
MENTIONED = [
    ("What did Ann do on 2024-02-10?", Span(date(2024, 2, 10), date(2024, 2, 10))),
    ("Who came on 3 June, 2023?", Span(date(2023, 6, 3), date(2023, 6, 3))),
    ("on the 3rd of June 2023", Span(date(2023, 6, 3), date(2023, 6, 3))),
    ("on October 13, 2023", Span(date(2023, 10, 13), date(2023, 10, 13))),
    ("Where were we in May 2023?", Span(date(2023, 5, 1), date(2023, 5, 31))),
    ("May 2023 was good", Span(date(2023, 5, 1), date(2023, 5, 31))),
    ("her plans for September", Span(date(2024, 9, 1), date(2024, 9, 30), any_year=True)),
    ("in march", Span(date(2024, 3, 1), date(2024, 3, 31), any_year=True)),
    ("everything of 2022", Span(date(2022, 1, 1), date(2022, 12, 31))),
    ("yesterday's dinner", Span(date(2026, 3, 17), date(2026, 3, 17))),
    ("what did I say today", Span(date(2026, 3, 18), date(2026, 3, 18))),
    ("last week", Span(date(2026, 3, 9), date(2026, 3, 15))),
    ("this month", Span(date(2026, 3, 1), date(2026, 3, 31))),
    ("last month", Span(date(2026, 2, 1), date(2026, 2, 28))),
    ("last year", Span(date(2025, 1, 1), date(2025, 12, 31))),
    ("three days ago", Span(date(2026, 3, 15), date(2026, 3, 15))),
    ("2 weeks ago", Span(date(2026, 3, 1), date(2026, 3, 7))),
]
NOT_MENTIONED = [
    "May I ask something?",
    "they march on",
    "What is my sister called?",
    "on 31 June",
    "room 2301",
    "999 years ago and more",
    "at 13:45",
    "",
]


@pytest.mark.parametrize(("text", "span"), MENTIONED)
def test_it_is_understood(text, span):
    assert mentioned_span(text, NOW) == span


@pytest.mark.parametrize("text", NOT_MENTIONED)
def test_what_is_no_time_is_none(text):
    found = mentioned_span(text, NOW)
    assert found is None or found.last.year < 1900


def test_a_month_without_a_year_is_that_month_of_any_year():
    span = mentioned_span("in December", NOW)
    for year in (1999, 2023, 2026):
        assert closeness(span, datetime(year, 12, 24, tzinfo=UTC).timestamp()) == 1.0
    january = closeness(span, datetime(2024, 1, 2, tzinfo=UTC).timestamp())
    november = closeness(span, datetime(2023, 11, 29, tzinfo=UTC).timestamp())
    assert january == november == pytest.approx(0.8187, abs=1e-4)  # two days off: e^-0.2


@given(st.text(max_size=60), st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)))
def test_any_text_has_a_time_or_none(text, moment):
    span = mentioned_span(text, NOW)
    if span:
        assert 0.0 <= closeness(span, moment.replace(tzinfo=UTC).timestamp()) <= 1.0


@given(
    st.sampled_from(
        ["3 June", "May 2023", "31 February", "0 May", "29 February", "9999 days ago", "in may", "2023-13-45"]
    ),
    st.integers(0, 9999),
)
def test_odd_dates_are_no_error(text, number):
    mentioned_span(f"{text} {number}", NOW)
    mentioned_span(f"{number} {text}", NOW)
