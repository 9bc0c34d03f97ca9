"""How much a socket may ask: buckets of tokens, by a clock that the tests turn."""

from __future__ import annotations

import pytest

from notifications import limits, protocol
from notifications.limits import Allowance, Bucket


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_bucket_gives_what_it_holds_and_then_what_time_brings(clock: Clock) -> None:
    bucket = Bucket(10, 2, clock)

    assert bucket.take(4)
    assert bucket.take(6)
    assert not bucket.take(1)
    clock.now += 1
    assert bucket.take(2)
    assert not bucket.take(1)


def test_who_asks_for_too_much_is_given_nothing_and_loses_nothing(clock: Clock) -> None:
    bucket = Bucket(10, 2, clock)

    assert not bucket.take(11)
    assert bucket.take(10)


def test_a_bucket_never_holds_more_than_its_size(clock: Clock) -> None:
    bucket = Bucket(10, 2, clock)

    clock.now += 3600
    bucket.put_back(5)

    assert bucket.take(10)
    assert not bucket.take(1)


def test_a_client_that_comes_back_with_all_its_streams_is_served(clock: Clock) -> None:
    allowance = Allowance(clock)

    # Three times in a row, and each time one by one.
    for _ in range(3 * protocol.MAX_STREAMS):
        assert allowance.frame() is None
        assert allowance.names(1) is None


def test_a_browser_may_open_a_tab_every_second_though_each_asks_for_all_streams_again(
    clock: Clock,
) -> None:
    """One socket serves all of its tabs."""
    allowance = Allowance(clock)

    for _ in range(20):  # They were all open when the browser was started.
        assert allowance.names(protocol.MAX_STREAMS) is None
    for _ in range(60):
        clock.now += 1
        assert allowance.names(protocol.MAX_STREAMS) is None


def test_the_largest_frame_can_be_served(clock: Clock) -> None:
    assert Allowance(clock).names(protocol.MAX_NAMES) is None


def test_a_healthy_client_with_all_its_streams_is_far_below_the_rate_of_frames(
    clock: Clock,
) -> None:
    """An ack a second for each stream, though none of them were useful, and a ping."""
    allowance = Allowance(clock)

    for _ in range(600):
        clock.now += 1
        assert all(allowance.frame() is None for _ in range(protocol.MAX_STREAMS + 1))


def test_useful_acks_are_not_counted(clock: Clock) -> None:
    allowance = Allowance(clock)

    for _ in range(10 * limits.FRAMES_AT_ONCE):
        assert allowance.frame() is None
        allowance.useful_ack()


def test_over_the_limit_it_says_what_the_limit_is(clock: Clock) -> None:
    allowance = Allowance(clock)
    for _ in range(limits.FRAMES_AT_ONCE):
        allowance.frame()
    allowance.names(limits.NAMES_AT_ONCE)

    assert f"{limits.FRAMES_A_SECOND} a second" in (allowance.frame() or "")
    assert f"{limits.NAMES_A_SECOND} a second" in (allowance.names(1) or "")
    clock.now += 1
    assert allowance.frame() is None
    assert allowance.names(limits.NAMES_A_SECOND) is None
