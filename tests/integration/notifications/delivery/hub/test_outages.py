"""The hub sweeps the database, so that a channel layer that fails loses nothing."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest
from django.db import OperationalError
from django.db.backends.utils import CursorWrapper

from notifications.delivery import hub
from notifications.streams import backlog, push
from notifications.streams.cursor import Cursor
from tests.support.hub import RecordingSubscriber
from tests.support.streaming import append_events, eventually, tasks_of_streams

pytestmark = pytest.mark.django_db(transaction=True)


# -- sweeps --------------------------------------------------------------------------------------


async def test_sweep_reports_the_position_of_each_stream(subscriber, often_sweeps):
    await append_events("user-1", "a", "b")
    await hub.current().follow("user-1", subscriber)

    await eventually(lambda: subscriber.heads)

    assert subscriber.heads[0].offset == 2


async def test_sweep_reads_all_streams_at_once(subscriber, often_sweeps, monkeypatch):
    asked = []
    monkeypatch.setattr(backlog, "heads", lambda names: asked.append(sorted(names)) or {})
    for number in range(5):
        await hub.current().follow(f"user-{number}", subscriber)

    seen = len(asked)
    await eventually(lambda: len(asked) > seen)

    assert asked[-1] == [f"user-{number}" for number in range(5)]


async def test_sweep_is_one_query_for_any_number_of_followers(
    subscriber, often_sweeps, monkeypatch
):
    the_hub = hub.current()
    heads, execute, seen = backlog.heads, CursorWrapper.execute, []

    def sweep(names):
        seen.append("sweep")
        return heads(names)

    def query(cursor, sql, params=None):
        seen.append("query")
        return execute(cursor, sql, params)

    for number in range(50):
        await append_events(f"user-{number}", "a")
        for each in (subscriber, RecordingSubscriber(), RecordingSubscriber()):
            await the_hub.follow(f"user-{number}", each)
    with monkeypatch.context() as patch:
        patch.setattr(backlog, "heads", sweep)
        patch.setattr(CursorWrapper, "execute", query)
        await eventually(lambda: seen.count("sweep") > 5)

    # One sweep was under way at the beginning, and one at the end.
    last = len(seen) - seen[::-1].index("sweep") - 1
    whole = seen[seen.index("sweep") : last]
    assert whole == ["sweep", "query"] * (len(whole) // 2)


@pytest.mark.parametrize("error", [OperationalError("gone"), RuntimeError("surprise")])
async def test_sweeps_continue_after_a_failed_sweep(
    subscriber, often_sweeps, monkeypatch, caplog, error
):
    failures = [error, error]
    original = backlog.heads

    def heads(names):
        if failures:
            raise failures.pop()
        return original(names)

    monkeypatch.setattr(backlog, "heads", heads)
    await append_events("user-1", "a")
    await hub.current().follow("user-1", subscriber)

    await eventually(lambda: subscriber.heads)

    assert "sweep" in caplog.text


# -- a layer that fails --------------------------------------------------------------------------


async def test_sweeps_deliver_events_while_valkey_is_down(subscriber, valkey, often_sweeps, caplog):
    valkey.kill()

    await hub.current().follow("user-1", subscriber)
    await append_events("user-1", "a")

    await eventually(lambda: subscriber.heads and subscriber.heads[-1].offset == 1)
    assert subscriber.names == []
    assert "The channel layer cannot be joined" in caplog.text


async def test_layer_that_starts_late_is_joined(subscriber, valkey, often_sweeps, channels):
    valkey.kill()
    await hub.current().follow("user-1", subscriber)
    valkey.start()

    await eventually(lambda: "waybill__group__user-1" in channels())
    push._retry_at = 0.0
    await append_events("user-1", "a")

    await eventually(lambda: subscriber.names == ["a"])


@pytest.mark.parametrize("was_there", [True, False])
async def test_unreachable_layer_keeps_no_remains_of_attempts(
    subscriber, valkey, often_sweeps, was_there
):
    the_hub = hub.current()
    if was_there:
        await the_hub.follow("user-1", subscriber)
    valkey.kill()
    await the_hub.follow("user-1", subscriber)

    for number in range(10):
        await the_hub.follow(f"export-{number}", subscriber)
        await the_hub.leave(f"export-{number}", subscriber)
    sweeps = the_hub.counters["sweeps"]
    await eventually(lambda: the_hub.counters["sweeps"] > sweeps + 10)

    # A channel is a queue, and a group a set of channels: for good, if nobody removes them.
    inside = the_hub._layer._get_layer()
    assert len(inside.channels) <= 1
    valkey.start()
    await eventually(lambda: the_hub._joined)
    assert (len(inside.channels), list(inside.groups)) == (1, ["waybill__group__user-1"])


async def test_frozen_layer_delays_followers_by_a_second_at_most(subscriber, valkey):
    valkey.freeze()
    the_hub = hub.current()
    streams = [f"user-{number}" for number in range(50)]

    begin = time.monotonic()
    await asyncio.gather(*(the_hub.follow(stream, subscriber) for stream in streams))
    followed = time.monotonic()
    await asyncio.gather(*(the_hub.leave(stream, subscriber) for stream in streams))
    left = time.monotonic()

    # 50 times that, if they waited one after the other.
    assert followed - begin < hub.LAYER_TIMEOUT * 10
    assert left - followed < hub.LAYER_TIMEOUT * 10
    assert tasks_of_streams() in ([], ["streams-sync"])


async def test_frozen_layer_delays_no_sweep(subscriber, valkey, often_sweeps, monkeypatch):
    valkey.freeze()
    await hub.current().follow("user-1", subscriber)

    with monkeypatch.context() as patient:
        patient.setattr(hub, "LAYER_TIMEOUT", 3600.0)
        sweeps = hub.current().counters["sweeps"]
        # Meanwhile a connection would be tried three or four times, each for three seconds.
        await eventually(lambda: hub.current().counters["sweeps"] > sweeps + 10)


async def test_frozen_layer_does_not_pile_up_tasks(subscriber, valkey, often_sweeps, monkeypatch):
    monkeypatch.setattr(hub, "LAYER_TIMEOUT", 0.01)
    valkey.freeze()
    for number in range(20):
        await hub.current().follow(f"export-{number}", subscriber)

    sweeps = hub.current().counters["sweeps"]
    await eventually(lambda: hub.current().counters["sweeps"] > sweeps + 5)

    assert tasks_of_streams() == ["streams-sweep", "streams-sync"]


async def test_group_changes_on_a_frozen_layer_are_made_when_it_thaws(subscriber, valkey, channels):
    await hub.current().follow("user-1", subscriber)
    valkey.freeze()
    await hub.current().follow("user-2", subscriber)
    await hub.current().leave("user-1", subscriber)
    valkey.thaw()

    groups = ["waybill__group__user-2"]
    await eventually(lambda: [name for name in channels() if "__group__" in name] == groups)


async def test_flush_of_valkey_loses_no_push(subscriber, valkey):
    await hub.current().follow("user-1", subscriber)

    valkey.flush()
    await append_events("user-1", "a")

    await eventually(lambda: subscriber.names == ["a"])


async def test_pushes_arrive_again_after_a_restart_of_valkey(subscriber, valkey, channels, caplog):
    caplog.set_level(logging.CRITICAL, "channels_redis")
    await hub.current().follow("user-1", subscriber)
    valkey.kill()
    valkey.start()

    await eventually(lambda: "waybill__group__user-1" in channels())
    push._retry_at = 0.0
    await append_events("user-1", "a")

    await eventually(lambda: subscriber.names == ["a"])


async def test_connection_that_valkey_drops_is_made_again(subscriber, valkey, channels, caplog):
    caplog.set_level(logging.CRITICAL, "channels_redis")
    await hub.current().follow("user-1", subscriber)
    with valkey.client() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

    await eventually(lambda: "waybill__group__user-1" in channels())
    await append_events("user-1", "a")

    await eventually(lambda: subscriber.names == ["a"])


async def test_listener_that_dies_is_replaced(subscriber, often_sweeps, monkeypatch, caplog):
    the_hub = hub.current()
    original = the_hub._layer.receive

    async def receive(channel):
        monkeypatch.setattr(the_hub._layer, "receive", original, raising=False)
        await original(channel)
        raise ConnectionError("what a layer may raise")

    monkeypatch.setattr(the_hub._layer, "receive", receive, raising=False)
    await the_hub.follow("user-1", subscriber)
    await append_events("user-1", "lost on the way")
    await eventually(lambda: "The listener of the channel layer failed" in caplog.text)

    await eventually(lambda: the_hub._listener and the_hub._joined)
    await append_events("user-1", "a")

    await eventually(lambda: subscriber.names == ["a"])


async def test_hub_without_pushes_notices_and_joins_again(subscriber, often_sweeps, caplog):
    """Whatever the reason: here the layer has forgotten, in this process, who is in the group."""
    the_hub = hub.current()
    await the_hub.follow("user-1", subscriber)
    await append_events("user-1", "heard")
    await eventually(lambda: subscriber.names == ["heard"])
    deaf = the_hub._channel
    the_hub._layer.groups.clear()

    while not the_hub.counters["renewed"]:
        sweeps = the_hub.counters["sweeps"]
        await append_events("user-1", "missed")
        await eventually(lambda sweeps=sweeps: the_hub.counters["sweeps"] > sweeps)

    assert subscriber.names == ["heard"]
    assert "Pushes do not arrive" in caplog.text
    await eventually(lambda: the_hub._channel != deaf and the_hub._joined)
    await append_events("user-1", "heard again")
    await eventually(lambda: subscriber.names[-1] == "heard again")


async def test_silent_connection_is_replaced(subscriber, often_sweeps):
    """Its peer has vanished without a word: it takes what it is given, and is silent."""
    the_hub = hub.current()
    await the_hub.follow("user-1", subscriber)
    (shard,) = the_hub._layer._get_layer()._shards
    silent = shard._pubsub

    async def silence(**_):
        await asyncio.sleep(0.01)

    silent.get_message = silence
    while not the_hub.counters["renewed"]:
        sweeps = the_hub.counters["sweeps"]
        await append_events("user-1", "missed")
        await eventually(lambda sweeps=sweeps: the_hub.counters["sweeps"] > sweeps)
    await eventually(lambda: shard._pubsub not in {None, silent} and the_hub._joined)
    await append_events("user-1", "heard again")

    await eventually(lambda: subscriber.names and subscriber.names[-1] == "heard again")


async def test_working_hub_is_not_renewed(subscriber, often_sweeps):
    the_hub = hub.current()
    await the_hub.follow("user-1", subscriber)

    while the_hub.counters["sweeps"] < 10:
        await append_events("user-1", "a")
    await eventually(lambda: len(subscriber.names) == subscriber.heads[-1].offset)

    assert the_hub.counters["renewed"] == 0


async def test_old_events_do_not_count_as_missed_pushes(subscriber, often_sweeps):
    await append_events("user-1", "long ago")
    the_hub = hub.current()
    await the_hub.follow("user-1", subscriber)

    await eventually(lambda: the_hub.counters["sweeps"] > 2 * hub.MAX_MISSES)

    assert the_hub.counters["caught_up"] == 0
    assert subscriber.heads[-1] == Cursor(subscriber.heads[-1].epoch, 1, 0)
