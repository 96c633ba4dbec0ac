"""What counts as growth in a soak."""

import random

import pytest

from tests.benchmarks.growth import Allowance, trend

ALLOWED = Allowance(per_hour=20, noise=4)
MINUTES = [60.0 * minute for minute in range(20)]


def grows(values: list[float]) -> bool:
    return trend(list(zip(MINUTES, values, strict=True)), ALLOWED).grows


def test_what_stays_does_not_grow():
    noise = random.Random(1)
    assert not grows([200 + noise.uniform(-2, 2) for _ in MINUTES])


def test_a_steady_rise_grows():
    assert grows([200 + minute for minute in range(20)])


def test_what_is_filled_once_does_not_grow():
    assert not grows([min(200 + 30 * minute, 350) for minute in range(20)])


def test_a_spike_is_no_growth():
    assert not grows([200.0] * 15 + [400.0] + [200.0] * 4)


def test_a_spike_at_the_end_is_no_growth():
    assert not grows([200.0] * 19 + [400.0])


def test_a_process_that_was_replaced_does_not_hide_a_leak():
    assert grows([200 + 2 * minute - (20 if minute >= 18 else 0) for minute in range(20)])


def test_a_fast_rise_within_the_noise_of_a_short_run_is_no_growth():
    short = trend([(second, 200 + second / 10) for second in range(0, 40, 2)], ALLOWED)
    assert short.per_hour > ALLOWED.per_hour
    assert not short.grows


def test_the_slope_is_by_the_hour():
    found = trend([(60.0 * minute, 5.0 * minute) for minute in range(10)], ALLOWED)
    assert (found.first, found.last, round(found.per_hour, 6)) == (0, 45, 300)


def test_too_few_samples_show_nothing():
    with pytest.raises(ValueError, match="fewer than four"):
        trend([(0, 1), (1, 2)], ALLOWED)
