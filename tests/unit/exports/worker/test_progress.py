"""Reports come at most so often, and the rate is of late. No test here waits."""

from __future__ import annotations

from itertools import pairwise

import pytest

from exports.worker.progress import INTERVAL, Rate, Ticker


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def reports():
    return []


@pytest.fixture
def ticker(clock, reports):
    return Ticker(lambda: reports.append(clock.now), clock=clock)


def test_frequent_touches_report_at_most_four_times_a_second(clock, reports, ticker):
    for _ in range(10_000):
        clock.now += 0.001
        ticker.touch()

    assert len(reports) <= 40
    assert len(reports) >= 39
    assert all(later - earlier >= INTERVAL for earlier, later in pairwise(reports))


def test_first_report_waits_for_its_interval(clock, reports, ticker):
    clock.now += INTERVAL - 0.001
    ticker.touch()

    assert reports == []


def test_touch_after_a_long_silence_reports_once(clock, reports, ticker):
    clock.now += 100
    ticker.touch()
    ticker.touch()

    assert reports == [1_100.0]


def test_flush_reports_now_and_the_next_touch_waits(clock, reports, ticker):
    ticker.flush()
    clock.now += INTERVAL - 0.001
    ticker.touch()

    assert reports == [1_000.0]


@pytest.mark.parametrize(("takes", "pause"), [(0.001, 1), (0.025, 2), (10.0, 4)])
def test_slow_reports_are_fewer_but_at_least_one_a_second(clock, takes, pause):
    reports = []

    def report():
        reports.append(clock.now)
        clock.now += takes

    ticker = Ticker(report, clock=clock)
    ticker.flush()
    begin = clock.now
    while len(reports) < 2:
        clock.now += 0.01
        ticker.touch()

    assert reports[-1] - begin == pytest.approx(pause * INTERVAL, abs=0.02)


def test_failed_report_is_due_again(clock, reports):
    failures = [OSError("no database"), None]

    def report():
        if failure := failures.pop(0):
            raise failure
        reports.append(clock.now)

    ticker = Ticker(report, clock=clock)
    clock.now += 1

    with pytest.raises(OSError, match="no database"):
        ticker.touch()
    ticker.touch()

    assert reports == [1_001.0]


def test_rate_is_unknown_before_there_was_time_to_measure(clock):
    rate = Rate(clock)
    rate.add(1_000)
    clock.now += 0.01

    assert rate.value is None


def test_rate_of_a_steady_stream_is_exact(clock):
    rate = Rate(clock)

    for _ in range(100):
        clock.now += 0.25
        rate.add(500)
        assert rate.value == pytest.approx(2_000)


def test_rate_follows_a_change_within_seconds(clock):
    rate = Rate(clock, memory=5)
    clock.now += 1
    rate.add(10_000)
    assert rate.value == pytest.approx(10_000)

    seen = []
    for _ in range(4 * 30):
        clock.now += 0.25
        rate.add(250)
        seen.append(rate.value)

    assert seen[4 * 5] < 5_000
    assert seen[-1] == pytest.approx(1_000, rel=0.1)


def test_single_slow_page_does_not_distort_the_rate(clock):
    rate = Rate(clock)
    clock.now += 5
    rate.add(5_000)
    assert rate.value == pytest.approx(1_000)

    clock.now += 0.5

    assert rate.value == pytest.approx(900)


def test_rate_falls_to_zero_in_silence(clock):
    rate = Rate(clock, memory=5)
    clock.now += 1
    rate.add(1_000)
    assert rate.value == pytest.approx(1_000)

    clock.now += 60

    assert rate.value == 0


def test_initial_pause_is_soon_forgotten_by_the_rate(clock):
    rate = Rate(clock)
    for _ in range(4):
        clock.now += 0.25
        assert rate.value is not None
        rate.add(10_000)
    clock.now += 0.25

    assert rate.value == pytest.approx(32_000)  # Of 40 000; it was a seventh of that.
