"""How much a socket may ask: buckets of tokens, by a clock that the tests turn."""

from __future__ import annotations

import json

import pytest

from notifications.protocol import frames as protocol
from notifications.protocol import rate_limits
from notifications.protocol.rate_limits import Allowance, Bucket


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_bucket_gives_its_content_and_then_its_refill(clock: Clock) -> None:
    bucket = Bucket(10, 2, clock)

    assert bucket.take(4)
    assert bucket.take(6)
    assert not bucket.take(1)
    clock.now += 1
    assert bucket.take(2)
    assert not bucket.take(1)


def test_request_beyond_the_bucket_takes_no_tokens(clock: Clock) -> None:
    bucket = Bucket(10, 2, clock)

    assert not bucket.take(11)
    assert bucket.take(10)


def test_bucket_never_holds_more_than_its_size(clock: Clock) -> None:
    bucket = Bucket(10, 2, clock)

    clock.now += 3600
    bucket.put_back(5)

    assert bucket.take(10)
    assert not bucket.take(1)


def test_bucket_is_overdrawn_to_its_debt_at_most(clock: Clock) -> None:
    bucket = Bucket(10, 2, clock)

    bucket.charge(13, 4)
    assert bucket.seconds_until(1) == 2
    bucket.charge(13, 4)
    assert bucket.seconds_until(1) == 2.5
    bucket.charge(13, 6)
    bucket.charge(1, 4)  # It does not shorten a longer debt.
    assert bucket.seconds_until(1) == 3.5
    clock.now += 3.5
    assert bucket.seconds_until(1) == 0
    assert bucket.has(1)


def test_reconnecting_client_may_subscribe_to_all_its_streams(clock: Clock) -> None:
    allowance = Allowance(clock)

    # Three times in a row, and each time one by one.
    for _ in range(3 * protocol.MAX_STREAMS):
        assert allowance.frame(100) is None
        assert allowance.names(1) is None


def test_browser_may_open_a_tab_every_second(
    clock: Clock,
) -> None:
    """One socket serves all of its tabs."""
    allowance = Allowance(clock)

    for _ in range(20):  # They were all open when the browser was started.
        assert allowance.names(protocol.MAX_STREAMS) is None
    for _ in range(60):
        clock.now += 1
        assert allowance.names(protocol.MAX_STREAMS) is None


def test_largest_subscription_is_within_the_limit(clock: Clock) -> None:
    assert Allowance(clock).names(protocol.MAX_NAMES) is None


def test_healthy_client_stays_below_the_frame_rate(
    clock: Clock,
) -> None:
    """An ack a second for each stream, though none of them were useful, and a ping."""
    allowance = Allowance(clock)

    for _ in range(600):
        clock.now += 1
        assert all(allowance.frame(100) is None for _ in range(protocol.MAX_STREAMS + 1))


def test_useful_acks_are_not_counted(clock: Clock) -> None:
    allowance = Allowance(clock)

    for _ in range(10 * rate_limits.FRAMES_AT_ONCE):
        assert allowance.frame(100) is None
        allowance.useful_ack(100)


def test_useful_acks_are_not_counted_against_the_user_either(clock: Clock) -> None:
    shared = Allowance(clock, factor=rate_limits.USER_FACTOR)
    socket = Allowance(clock, shared=shared)

    for _ in range(2 * rate_limits.USER_FACTOR * rate_limits.FRAMES_AT_ONCE):
        assert socket.frame(rate_limits.ACK_BYTES) is None
        socket.useful_ack(rate_limits.ACK_BYTES)


def test_refusal_names_the_limit(clock: Clock) -> None:
    allowance = Allowance(clock)
    for _ in range(rate_limits.FRAMES_AT_ONCE):
        allowance.frame(100)
    allowance.names(rate_limits.NAMES_AT_ONCE)

    assert f"{rate_limits.FRAMES_A_SECOND} a second" in (allowance.frame(100) or "")
    assert f"{rate_limits.NAMES_A_SECOND} a second" in (allowance.names(1) or "")
    clock.now += 1
    assert allowance.frame(100) is None
    assert allowance.names(rate_limits.NAMES_A_SECOND) is None


def test_bytes_are_limited_for_any_number_of_frames(clock: Clock) -> None:
    allowance = Allowance(clock)
    frames = rate_limits.BYTES_AT_ONCE // protocol.MAX_FRAME_BYTES

    assert all(allowance.frame(protocol.MAX_FRAME_BYTES) is None for _ in range(frames))
    refusal = allowance.frame(protocol.MAX_FRAME_BYTES)

    assert f"Too many bytes: at most {rate_limits.BYTES_A_SECOND} a second" in (refusal or "")
    clock.now += 1
    assert allowance.frame(rate_limits.BYTES_A_SECOND) is None


def test_useful_acks_are_free_but_their_padding_is_not(clock: Clock) -> None:
    allowance = Allowance(clock)
    for _ in range(rate_limits.BYTES_AT_ONCE // rate_limits.ACK_BYTES * 2):
        assert allowance.frame(rate_limits.ACK_BYTES) is None
        allowance.useful_ack(rate_limits.ACK_BYTES)

    padded = protocol.MAX_FRAME_BYTES
    for _ in range(rate_limits.BYTES_AT_ONCE // (padded - rate_limits.ACK_BYTES)):
        assert allowance.frame(padded) is None
        allowance.useful_ack(padded)

    assert allowance.frame(padded) is not None


def test_byte_limits_have_room_for_the_frame_and_name_limits(clock: Clock) -> None:
    """All names at once with the longest cursors; then names and acks, each second."""
    allowance = Allowance(clock)
    largest = largest_subscribe()

    for _ in range(rate_limits.NAMES_AT_ONCE // protocol.MAX_NAMES):
        assert allowance.frame(len(largest)) is None
        assert allowance.names(protocol.MAX_NAMES) is None
    for _ in range(60):
        clock.now += 1
        assert allowance.frame(len(largest) // 2) is None
        assert allowance.names(protocol.MAX_STREAMS) is None
        assert all(allowance.frame(len(LARGEST_ACK)) is None for _ in range(protocol.MAX_STREAMS))


def test_largest_useful_frame_fits() -> None:
    protocol.client_frames.validate_json(largest_subscribe())
    protocol.client_frames.validate_json(LARGEST_ACK)

    assert len(largest_subscribe()) <= protocol.MAX_FRAME_BYTES
    assert len(LARGEST_ACK) <= rate_limits.ACK_BYTES


def test_sockets_of_a_user_share_a_limit(clock: Clock) -> None:
    """However many there are: two may use their own up, and nothing is left for a third."""
    shared = Allowance(clock, factor=rate_limits.USER_FACTOR)
    for _ in range(rate_limits.USER_FACTOR):
        allowance = Allowance(clock, shared=shared)
        assert allowance.frame(rate_limits.BYTES_AT_ONCE) is None
        assert allowance.names(rate_limits.NAMES_AT_ONCE) is None
        for _ in range(rate_limits.FRAMES_AT_ONCE - 1):
            assert allowance.frame(0) is None

    third = Allowance(clock, shared=shared)

    assert "Too many frames on all of your connections together: at most 400" in (
        third.frame(0) or ""
    )
    assert "Too many names on all of your connections together: at most 200" in (
        third.names(1) or ""
    )
    clock.now += 1
    assert third.frame(rate_limits.BYTES_A_SECOND) is None
    assert third.frame(rate_limits.BYTES_A_SECOND) is None
    refusal = third.frame(rate_limits.BYTES_A_SECOND)
    assert "Too many bytes on all of your connections together: at most 131072" in (refusal or "")


def test_used_up_limit_is_refilled_after_the_stated_time(clock: Clock) -> None:
    allowance = Allowance(clock)
    allowance.frame(rate_limits.BYTES_AT_ONCE)
    allowance.names(rate_limits.NAMES_AT_ONCE)

    clock.now += rate_limits.REFILL_SECONDS

    assert allowance.frame(rate_limits.BYTES_AT_ONCE) is None
    assert allowance.names(rate_limits.NAMES_AT_ONCE) is None


LONGEST_CURSOR = f"{'e' * 16}.{'9' * 19}.{'9' * 19}"
LARGEST_ACK = json.dumps({"type": "ack", "stream": "s" * 99, "cursor": LONGEST_CURSOR})


def largest_subscribe() -> str:
    names = [f"{number:099}" for number in range(protocol.MAX_NAMES)]
    return json.dumps({"type": "subscribe", "streams": dict.fromkeys(names, LONGEST_CURSOR)})
