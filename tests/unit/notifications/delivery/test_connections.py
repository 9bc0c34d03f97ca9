"""How many connections one user may have, and how fast they may open them."""

from __future__ import annotations

import logging

import pytest

from notifications.api import known_users
from notifications.delivery import descriptors
from notifications.delivery.connections import (
    CLEANUP_USERS,
    OPENINGS,
    OPENINGS_FACTOR,
    SECONDS,
    Connections,
    NoRoomError,
    TooManyConnectionsError,
)
from tests.unit.notifications.protocol.test_rate_limits import Clock

LIMIT = 3


class Socket:
    def rights_changed(self, *, by_name):
        """Nothing."""


@pytest.fixture(autouse=True)
def _limit(settings, monkeypatch):
    settings.NOTIFICATIONS_MAX_CONNECTIONS = LIMIT


@pytest.fixture(autouse=True)
def _nobody_is_known():
    known_users.clear()
    yield
    known_users.clear()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def connections(clock):
    return Connections(clock)


def opened(connections, count, user=1):
    sockets = [Socket() for _ in range(count)]
    for socket in sockets:
        connections.add(socket, user)
    return sockets


def test_connections_are_limited_for_each_user(connections):
    held = opened(connections, LIMIT)

    with pytest.raises(TooManyConnectionsError, match="limit of 3 open connections"):
        connections.add(Socket(), 1)

    held += opened(connections, LIMIT, user=2)
    assert len(connections) == 2 * LIMIT


def test_closed_connection_makes_room(connections):
    first, *_others = opened(connections, LIMIT)

    connections.discard(first)

    connections.add(first, 1)
    assert len(connections) == LIMIT


def test_abandoned_connection_makes_room(connections):
    """A response that is never iterated over cannot say that it ends."""
    held = opened(connections, LIMIT)

    held.pop()

    held += opened(connections, 1)
    assert len(connections) == LIMIT


def test_connection_added_repeatedly_counts_once(connections):
    socket = Socket()
    connections.add(socket, None)

    for _ in range(2 * LIMIT):
        connections.add(socket, 1)

    held = opened(connections, LIMIT - 1)
    connections.add(socket, 1)  # Also where the user may have no other.
    assert len(connections) == 1 + len(held)


def test_zero_disables_the_limit(connections, settings):
    settings.NOTIFICATIONS_MAX_CONNECTIONS = 0

    assert len(opened(connections, 2 * OPENINGS)) == len(connections)


@pytest.mark.proves("connections-per-user-limited")
def test_connections_that_close_at_once_are_limited_by_rate(connections, clock):
    for _ in range(OPENINGS):
        connections.discard(opened(connections, 1)[0])

    with pytest.raises(TooManyConnectionsError, match="at most 100 times in 50 s"):
        connections.add(Socket(), 1)

    clock.now += SECONDS / OPENINGS
    held = opened(connections, 1)
    with pytest.raises(TooManyConnectionsError, match="Too many connections"):
        connections.add(Socket(), 1)
    assert len(connections) == len(held)


def test_higher_limit_of_connections_allows_more_openings(connections, settings):
    settings.NOTIFICATIONS_MAX_CONNECTIONS = limit = OPENINGS
    for _ in range(OPENINGS_FACTOR * limit):
        connections.discard(opened(connections, 1)[0])

    with pytest.raises(TooManyConnectionsError, match="at most 500 times in 50 s"):
        connections.add(Socket(), 1)


def test_refused_connections_are_limited_by_rate(connections):
    first, *_others = opened(connections, LIMIT)
    for _ in range(OPENINGS):
        with pytest.raises(TooManyConnectionsError):
            connections.add(Socket(), 1)
    connections.discard(first)

    with pytest.raises(TooManyConnectionsError, match="Too many connections"):
        connections.add(Socket(), 1)


def test_long_polls_are_not_limited_by_rate(connections):
    for _ in range(2 * OPENINGS):
        poll = Socket()
        connections.add(poll, 1, is_brief=True)
        connections.discard(poll)


def test_known_credentials_are_refused_before_the_user_lookup(connections):
    connections.ensure_allowed(b"cookie")
    known_users.remember(b"cookie", 1)
    connections.ensure_allowed(b"cookie")
    held = opened(connections, LIMIT)

    with pytest.raises(TooManyConnectionsError):
        connections.ensure_allowed(b"cookie")

    connections.ensure_allowed(b"another")
    assert len(held) == LIMIT


def test_oldest_credentials_are_forgotten(connections):
    for number in range(known_users.MAX_ENTRIES + 1):
        known_users.remember(str(number).encode(), 1)
    held = opened(connections, LIMIT)

    connections.ensure_allowed(b"0")
    with pytest.raises(TooManyConnectionsError):
        connections.ensure_allowed(b"1")
    assert len(held) == LIMIT


def test_reused_credentials_are_not_forgotten(connections):
    for number in range(known_users.MAX_ENTRIES):
        known_users.remember(str(number).encode(), 1)
    known_users.remember(b"0", 1)
    known_users.remember(b"another", 1)
    held = opened(connections, LIMIT)

    connections.ensure_allowed(b"1")
    with pytest.raises(TooManyConnectionsError):
        connections.ensure_allowed(b"0")
    assert len(held) == LIMIT


def test_users_who_left_are_forgotten(connections, clock):
    for number in range(CLEANUP_USERS):
        connections.discard(opened(connections, 1, user=number)[0])
    clock.now += SECONDS

    held = opened(connections, 1, user="last")

    assert list(connections._records) == ["last"]
    assert len(connections) == len(held)


def test_users_at_a_limit_are_not_forgotten(connections, clock):
    held = opened(connections, LIMIT, user="connected")
    clock.now += SECONDS  # Their openings do not count any more; what they hold does.
    for _ in range(OPENINGS):
        connections.discard(opened(connections, 1, user="busy")[0])
    for number in range(CLEANUP_USERS):
        connections.discard(opened(connections, 1, user=number)[0])

    for user, refusal in (
        ("connected", "You have reached the limit of 3"),
        ("busy", "Too many connections"),
    ):
        with pytest.raises(TooManyConnectionsError, match=refusal):
            connections.add(Socket(), user)
    assert len(connections) == len(held)


def test_new_users_do_not_trigger_a_scan_of_many_users(connections, monkeypatch):
    looks = []
    monkeypatch.setattr("notifications.delivery.connections.CLEANUP_USERS", 4)
    monkeypatch.setattr(
        "notifications.delivery.connections._UserRecord.is_needed",
        property(lambda _: looks.append(1) or True),
    )
    connections._next_cleanup = 4

    for number in range(400):
        connections.discard(opened(connections, 1, user=number)[0])

    assert len(connections._records) == 400
    assert 4 <= len(looks) <= 2 * 400


def test_room_ends_at_the_reserve_of_descriptors(connections, monkeypatch):
    monkeypatch.setattr(descriptors, "left", descriptors.reserve)
    connections.ensure_room()
    assert not connections.is_overrun

    monkeypatch.setattr(descriptors, "left", lambda: descriptors.reserve() - 1)
    with pytest.raises(NoRoomError, match="cannot accept"):
        connections.ensure_room()
    assert not connections.is_overrun

    monkeypatch.setattr(descriptors, "left", lambda: descriptors.reserve() // 2 - 1)
    assert connections.is_overrun


def test_open_connections_count_beside_the_descriptor_estimate(connections, monkeypatch):
    """A file that was closed leaves a low number free, and the estimate goes by that alone."""
    monkeypatch.setattr(descriptors, "limit", lambda: connections._other_descriptors + 40)
    monkeypatch.setattr(descriptors, "left", lambda: 40)
    held = [opened(connections, 1, user=number)[0] for number in range(8)]
    connections.ensure_room()

    held += opened(connections, 1, user=8)
    with pytest.raises(NoRoomError):
        connections.ensure_room()

    connections.discard(held.pop())
    connections.ensure_room()


def test_refusals_are_logged_once_a_minute(connections, clock, caplog):
    held = opened(connections, LIMIT)
    with caplog.at_level(logging.INFO):
        for _ in range(10):
            with pytest.raises(TooManyConnectionsError):
                connections.add(Socket(), 1)
        clock.now += 60
        with pytest.raises(TooManyConnectionsError):
            connections.add(Socket(), 1)

    first, second = caplog.messages
    assert first.startswith("Connections are refused (1 so far). The latest, of user 1: You have")
    assert second.startswith("Connections are refused (11 so far).")
    assert len(held) == LIMIT
