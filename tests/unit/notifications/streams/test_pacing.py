"""The pacer, on a clock that only its own sleeping moves."""

from __future__ import annotations

import pytest

from notifications.streams.pacing import Pacer


class Clock:
    def __init__(self):
        self.now = 1000.0
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


def send(pacer, count, batch):
    for _ in range(count // batch):
        pacer.wait(batch)


@pytest.mark.parametrize(("rate", "count", "batch"), [(50, 500, 5), (1, 10, 1), (0.5, 4, 1)])
def test_sending_keeps_to_the_rate(clock, rate, count, batch):
    pacer = Pacer(rate, clock, clock.sleep)

    send(pacer, count, batch)

    # The first goes at once.
    assert clock.now - 1000 == pytest.approx((count - batch) / rate)


def test_pauses_are_even(clock):
    pacer = Pacer(10, clock, clock.sleep)

    send(pacer, 20, 1)

    assert clock.slept == pytest.approx([0.1] * 19)


def test_time_spent_sending_shortens_the_wait(clock):
    pacer = Pacer(10, clock, clock.sleep)

    pacer.wait(1)
    clock.now += 0.06
    pacer.wait(1)

    assert clock.slept == pytest.approx([0.04])


def test_pause_is_not_followed_by_a_burst(clock):
    pacer = Pacer(10, clock, clock.sleep)
    pacer.wait(1)

    clock.now += 60
    send(pacer, 5, 1)

    assert clock.slept == pytest.approx([0.1] * 4)


@pytest.mark.parametrize(
    ("rate", "batch"), [(0.1, 1), (1, 1), (19, 1), (20, 2), (500, 50), (10_000, 100)]
)
def test_batch_is_a_tenth_of_a_second(clock, rate, batch):
    assert Pacer(rate, clock, clock.sleep).batch(100) == batch
