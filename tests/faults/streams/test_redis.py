"""Redis fails while sockets are open: they stay open, and what it lost comes by sweep.

A sweep is every three seconds, as by default, until a test stops them: what arrives from
then on has been pushed.
"""

from __future__ import annotations

import time

import pytest

from tests.faults.stage import LAYER
from tests.support.streaming import append
from tests.support.waiting import wait_until

CLIENTS = 4
FROZEN = 16.0  # seconds; the layer's own time-out is 15
IDLE = 13.0  # seconds; redis-py's own time-out of a read is 5
# What channels-redis calls the channel of a group, with the prefix of the settings.
GROUP = "waybill__group__"
POISON = (b"", b"\xc1", b"hello", b"\x81\xa1k", b"\x93\x01\x02\x03", b"\x81\xa4type\xa1x")


@pytest.fixture
def listening(stage, web):
    """The stage, with clients that listen and two processes that publish."""
    stage.follow(web, CLIENTS)
    stage.publish()
    stage.seconds_until_level()
    return stage


@pytest.fixture
def note(record_property):
    """Keep a figure for the summary of the run."""
    return lambda what, seconds: record_property(what, f"{seconds:.1f} s")


def seconds_until_pushed(web, begin):
    """Since `begin`, until the web process has received a push."""
    before = web.inside().counters["received"]
    wait_until(lambda: web.inside().counters["received"] > before, what="a push arrives")
    return time.monotonic() - begin


def assert_unharmed(stage, web, valkey):
    """Without any sweep all are level, on the sockets they had, and nothing is left behind."""
    for _ in range(2):
        stage.seconds_until_level()
    stage.end()
    stage.assert_nobody_reconnected()
    assert web.unexpected(expected=[LAYER]) == []

    clients = len(stage.clients)
    wait_until(lambda: has_tasks_of(web, clients), what="one task of each kind for each client")
    wait_until(lambda: subscribers(valkey) == 1, what="the web process listens once")
    stage.close()
    wait_until(lambda: web.inside().stream_tasks == {}, what="no task is left")


def has_tasks_of(web, clients):
    """One of the hub's of each kind, and one of a connection's of each kind for each client."""
    tasks = web.inside().stream_tasks
    of_hub = {name: count for name, count in tasks.items() if name.startswith("streams-")}
    of_clients = {name: count for name, count in tasks.items() if name not in of_hub}
    return (
        of_hub == {"streams-sweep": 1, "streams-listen": 1}
        and "stream-pump" in of_clients
        and set(of_clients.values()) == {clients}
    )


def subscribers(valkey):
    with valkey.client() as client:
        return len(client.client_list(_type="pubsub"))


@pytest.mark.proves("redis-outage-only-delays")
def test_killed_redis_that_returns_empty_costs_seconds(listening, web, valkey, note):
    valkey.kill()
    note("level, while it is dead", max(listening.seconds_until_level() for _ in range(2)))
    listening.follow(web)  # One who comes just now.

    valkey.start()
    begin = time.monotonic()
    note("level, after its return", listening.seconds_until_level())
    note("pushed, after its return", seconds_until_pushed(web, begin))

    web.stop_sweeps()
    assert_unharmed(listening, web, valkey)


@pytest.mark.proves("redis-outage-only-delays")
def test_frozen_redis_costs_seconds(listening, web, valkey, note):
    valkey.freeze()
    begin = time.monotonic()
    listening.follow(web)
    took = []
    while time.monotonic() - begin < FROZEN:
        took.append(listening.seconds_until_level())
    note("level, while it is frozen", max(took))

    valkey.thaw()
    begin = time.monotonic()
    note("level, after the thaw", listening.seconds_until_level())
    note("pushed, after the thaw", seconds_until_pushed(web, begin))

    web.stop_sweeps()
    assert_unharmed(listening, web, valkey)


@pytest.mark.proves("redis-outage-only-delays")
def test_flushed_redis_costs_no_event(listening, web, valkey, note):
    web.stop_sweeps()

    valkey.flush()
    begin = time.monotonic()
    note("pushed, after the flush", seconds_until_pushed(web, begin))

    assert_unharmed(listening, web, valkey)


@pytest.mark.proves("redis-outage-only-delays")
def test_connections_that_redis_drops_are_made_again(listening, web, valkey, note):
    with valkey.client() as client:
        for kind in ("pubsub", "normal"):
            client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
    begin = time.monotonic()
    note("level, after the kill", listening.seconds_until_level())
    note("pushed, after the kill", seconds_until_pushed(web, begin))

    web.stop_sweeps()
    assert_unharmed(listening, web, valkey)


def test_idle_socket_still_receives_pushes(stage, start_web):
    web = start_web(NOTIFICATIONS_SWEEP_SECONDS="3600", NOTIFICATIONS_HEARTBEAT_SECONDS=str(IDLE))
    (client,) = stage.follow(web)
    wait_until(lambda: client.heartbeats, what="a heartbeat after nothing else")

    for stream in stage.streams:
        append(stream, "at last")
    stage.seconds_until_level()

    stage.end()
    stage.assert_nobody_reconnected()
    assert web.inside().counters["sweeps"] == 0
    assert web.unexpected() == []


@pytest.mark.proves("redis-outage-only-delays")
def test_malformed_layer_messages_disturb_no_client(listening, web, valkey):
    web.stop_sweeps()
    with valkey.client() as client:
        channels = [name.decode() for name in client.pubsub_channels()]
        assert {GROUP + stream for stream in listening.streams} < set(channels)
        # It says how many it gave it to.
        given = sum(client.publish(channel, each) for channel in channels for each in POISON)
    assert given >= len(channels) * len(POISON)

    wait_until(lambda: web.inside().counters["poison"] == given, what="all poison is counted")
    assert_unharmed(listening, web, valkey)
