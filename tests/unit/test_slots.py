"""When schedules fire, against a table and against every minute of their time zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention import cron
from retention.slots import Every, next_slot

BERLIN = "Europe/Berlin"
NOON = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)  # a Wednesday


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def following(text: str, after: datetime, anchor: datetime | None = None) -> datetime | None:
    return next_slot(cron.parse(text), after=after, anchor=anchor or after)


def test_it_works():
    assert following("17 3 * * * UTC", NOON) == moment("2026-06-11T03:17")
    assert following("every 90 minutes", NOON) == NOON + timedelta(minutes=90)


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("17 3 * * * UTC", "2026-06-11T03:16:59", "2026-06-11T03:17"),
        ("17 3 * * * UTC", "2026-06-11T03:17", "2026-06-12T03:17"),
        ("*/15 * * * * UTC", "2026-06-10T23:59", "2026-06-11T00:00"),
        ("0 0 1 1 * UTC", "2026-06-10T12:00", "2027-01-01T00:00"),
        ("0 6 * * mon-fri UTC", "2026-06-12T06:00", "2026-06-15T06:00"),
        ("0 6 * * 0 UTC", "2026-06-10T12:00", "2026-06-14T06:00"),
        ("0 0 31 * * UTC", "2026-06-10T12:00", "2026-07-31T00:00"),
        ("0 0 29 2 * UTC", "2096-03-01T00:00", "2104-02-29T00:00"),
        # Days of month and of week must both fit.
        ("0 0 13 * 5 UTC", "2026-06-10T12:00", "2026-11-13T00:00"),
        (f"30 0 * * * {BERLIN}", "2026-06-10T12:00", "2026-06-10T22:30"),
        (f"30 0 * * * {BERLIN}", "2026-12-10T12:00", "2026-12-10T23:30"),
        # 02:30 does not exist on 2026-03-29: it fires at 03:30, once.
        (f"30 2 * * * {BERLIN}", "2026-03-28T12:00", "2026-03-29T01:30"),
        (f"30 2 * * * {BERLIN}", "2026-03-29T01:30", "2026-03-30T00:30"),
        # 02:30 comes twice on 2026-10-25: it fires the first time.
        (f"30 2 * * * {BERLIN}", "2026-10-24T12:00", "2026-10-25T00:30"),
        (f"30 2 * * * {BERLIN}", "2026-10-25T00:30", "2026-10-26T01:30"),
        # Every half hour goes on through both.
        (f"*/30 * * * * {BERLIN}", "2026-10-25T00:30", "2026-10-25T01:00"),
        (f"*/30 * * * * {BERLIN}", "2026-10-25T01:00", "2026-10-25T01:30"),
        (f"*/30 * * * * {BERLIN}", "2026-03-29T00:45", "2026-03-29T01:00"),
    ],
)
def test_a_crontab_fires_by_the_clock_on_the_wall(text, after, expected):
    assert following(text, moment(after)) == moment(expected)


@pytest.mark.parametrize("text", ["0 0 29 2 1 UTC", "every 99999999 days"])
def test_what_never_fires_says_so(text):
    assert following(text, NOON) is None


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("17 3 * * UTC", "five fields"),
        ("61 3 * * * UTC", "minute"),
        ("0 24 * * * UTC", "hour"),
        ("0 0 0 * * UTC", "day of month"),
        ("0 0 1 13 * UTC", "month"),
        ("0 0 * * 8 UTC", "day of week"),
        ("0 0 * * 7 UTC", "7 > 6"),
        ("0 0 30 2 * UTC", "never"),
        ("*/0 * * * * UTC", "minute"),
        ("1-5;x * * * * UTC", "minute"),
        (" * * * * UTC", "five fields"),
        ("0 0 * * * Europe/Atlantis", "time zone"),
        ("0 0 * * * ../../etc/passwd", "time zone"),
        ("every 0 minutes", "longer than nothing"),
        ("every -5 minutes", "longer than nothing"),
        ("every 5 fortnights", "no interval"),
        ("every 99999999999999999999 days", "no interval"),
        ("every minutes", "interval"),
        ("", "five fields"),
    ],
)
def test_a_schedule_that_is_none_is_refused_with_a_sentence(text, word):
    with pytest.raises(ValueError, match=word):
        cron.parse(text)


def test_an_interval_counts_from_its_anchor_and_catches_up_in_one_step():
    hourly = Every(period=timedelta(hours=1))
    anchor = moment("2026-06-10T00:20")
    assert next_slot(hourly, after=anchor, anchor=anchor) == moment("2026-06-10T01:20")
    assert next_slot(hourly, after=NOON, anchor=anchor) == moment("2026-06-10T12:20")
    assert next_slot(hourly, after=moment("2026-06-10T12:20"), anchor=anchor) == moment("2026-06-10T13:20")


def test_an_interval_of_microseconds_is_no_loop():
    assert following("every 1 microseconds", NOON + timedelta(days=3650), NOON) > NOON


def field(low: int, high: int) -> st.SearchStrategy[str]:
    numbers = st.sets(st.integers(low, high), min_size=1, max_size=4)
    return st.one_of(
        st.just("*"), st.sampled_from(["*/2", "*/7"]), numbers.map(lambda given: ",".join(map(str, given)))
    )


def on_the_wall(minutes: range, zone: ZoneInfo, start: datetime) -> set[datetime]:
    """Every minute that the clock of the zone shows, or leaps over, the first time it does."""
    local = start.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0)
    return {(local + timedelta(minutes=each)).replace(tzinfo=zone) for each in minutes}


@given(
    minute=field(0, 59),
    hour=field(0, 22),
    weekday=field(0, 6),
    # Around both changes of the clock, and an ordinary day.
    start=st.sampled_from(["2026-03-28T20:00", "2026-10-24T20:00", "2026-06-10T20:00"]).map(moment),
    offset=st.integers(0, 600),
    zone=st.sampled_from([BERLIN, "America/New_York", "Asia/Beirut", "Australia/Lord_Howe", "UTC"]),
)
def test_no_minute_that_fits_is_missed_and_none_is_made_up(minute, hour, weekday, start, offset, zone):
    if hour == "*":
        hour = "0-22"
    schedule = cron.read_crontab(f"{minute} {hour} * * {weekday}", zone)
    after = start + timedelta(minutes=offset)
    fitting = {
        each.astimezone(UTC)
        for each in on_the_wall(range(-1500, 3 * 1440), schedule.timezone, after)
        if each.minute in schedule.minutes
        and each.hour in schedule.hours
        and each.isoweekday() % 7 in schedule.weekdays
    }
    expected = min((each for each in fitting if each > after), default=None)
    found = next_slot(schedule, after=after, anchor=after)
    if expected is not None:
        assert found == expected
    else:
        assert found > after + timedelta(days=2)
