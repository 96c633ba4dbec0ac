"""What is counted by the hour for the dashboard: in the process first, in Redis soon, lost only with either."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from memories import activity

HELLO = {"conversation_id": "conv-1", "role": "user", "content": "I like tea"}
SEARCH = "/v1/memory/search"


def now() -> activity.Hour:
    activity.flush()
    return activity.last_week()[-1]


def test_it_works(bot, settings, django_capture_on_commit_callbacks):
    settings.ENV = settings.ENV.model_copy(update={"search_cache_seconds": 60})
    with django_capture_on_commit_callbacks(execute=True):
        bot.post("/v1/messages", HELLO)
    for _ in range(3):
        assert bot.get(SEARCH, query="tea").status_code == 200
    hour = now()
    assert (hour.stored, hour.searches, hour.cached) == (1, 1, 2)
    assert 0 < hour.median_ms <= hour.slow_ms


def test_an_hour_is_counted_for_a_week_and_others_are_empty(db):
    activity.note_stored(2)
    activity.flush()
    assert len(activity.last_week()) == 7 * 24
    with time_machine.travel(timezone.now() + timedelta(hours=3)):
        hours = activity.last_week()
    assert [hour.stored for hour in hours[-4:]] == [2, 0, 0, 0]
    assert hours[-1].median_ms is None


def test_what_redis_does_not_take_waits_for_it(outage):
    with outage():
        activity.note_stored(5)
        activity.flush()
        assert activity.last_week() == []
    activity.note_stored(1)
    assert now().stored == 6


@pytest.mark.parametrize("milliseconds", [0.01, 0.3, 7, 80, 950, 60_000])
def test_a_time_is_known_to_a_tenth(db, milliseconds):
    activity.note_search(seconds=milliseconds / 1000)
    bounded = min(max(milliseconds, 0.1), 30_000)
    assert now().median_ms == pytest.approx(bounded, rel=0.12)


def test_percentiles_are_those_of_all_times():
    assert activity.percentile({}, 0.5) is None
    half, most = (activity.percentile({10: 50, 30: 45, 40: 5}, share) for share in (0.5, 0.95))
    assert half < most
    assert most == activity.percentile({30: 1}, 0.5)
