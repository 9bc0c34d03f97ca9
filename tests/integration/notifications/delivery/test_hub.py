"""The hub: this process's ear at the channel layer, and its watch on the database."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest
from django.db import OperationalError
from django.db.backends.utils import CursorWrapper

from notifications.delivery import hub
from notifications.streams import backlog, push, signed
from notifications.streams.cursor import Cursor
from tests.support.streaming import append, eventually, in_thread, tasks_of_streams

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _seldom_sweeps(settings):
    """Tests of pushes must not be passed by a sweep."""
    settings.NOTIFICATIONS_SWEEP_SECONDS = 3600.0


@pytest.fixture
def often_sweeps(settings):
    settings.NOTIFICATIONS_SWEEP_SECONDS = 0.05


@pytest.fixture
def channels(valkey):
    """A function: what this process has subscribed to in Valkey."""

    def ask():
        with valkey.client() as client:
            return sorted(name.decode() for name in client.pubsub_channels())

    return ask


class Ear:
    """Notes what it is told."""

    def __init__(self):
        self.items = []
        self.heads = []

    def on_push(self, stream, epoch, head, items):
        self.items += items

    def on_head(self, stream, head):
        self.heads.append(head)

    @property
    def heard(self):
        return [item.name for item in self.items]


@pytest.fixture
async def ear():
    """A subscriber; what it follows it leaves at the end."""
    ear = Ear()
    yield ear
    the_hub = hub.current()
    for stream in list(the_hub._followers):
        for follower in list(the_hub._followers.get(stream, ())):
            await the_hub.leave(stream, follower)


async def say(*events, stream="user-1"):
    await in_thread(append, stream, *events)


# -- pushes ----------------------------------------------------------------------------------


async def test_what_is_pushed_reaches_who_follows_its_stream_and_nobody_else(ear):
    other = Ear()
    await hub.current().follow("user-1", ear)
    await hub.current().follow("user-2", other)

    await say("a", "b")
    await say("c")
    await say("z", stream="user-2")

    await eventually(lambda: ear.heard == ["a", "b", "c"] and other.heard == ["z"])


async def test_a_process_is_one_member_of_the_layer_however_many_follow(ear, channels):
    ears = [Ear() for _ in range(5)]
    for each in ears:
        await hub.current().follow("user-1", each)
        await hub.current().follow("user-2", each)

    assert len([name for name in channels() if "__group__" in name]) == 2
    assert len([name for name in channels() if "specific." in name]) == 1


async def test_an_item_is_one_for_all_who_follow_so_its_frame_is_encoded_once(ear):
    other = Ear()
    await hub.current().follow("user-1", ear)
    await hub.current().follow("user-1", other)

    await say("a")
    await eventually(lambda: ear.heard == other.heard == ["a"])

    assert ear.items[0] is other.items[0]
    assert hub.current().counters["received"] == 1


async def test_who_leaves_hears_no_more_and_the_others_do(ear):
    other = Ear()
    await hub.current().follow("user-1", ear)
    await hub.current().follow("user-1", other)

    await hub.current().leave("user-1", other)
    await say("a")

    await eventually(lambda: ear.heard == ["a"])
    assert other.heard == []


async def test_a_stream_that_nobody_follows_any_more_is_left(ear, channels):
    await hub.current().follow("user-1", ear)
    await hub.current().follow("user-2", ear)

    await hub.current().leave("user-2", ear)

    assert [name for name in channels() if "__group__" in name] == ["waybill__group__user-1"]


async def test_with_the_last_follower_everything_ends(ear, channels):
    await hub.current().follow("user-1", ear)
    assert tasks_of_streams() == ["streams-listen", "streams-sweep"]

    await hub.current().leave("user-1", ear)

    await eventually(lambda: tasks_of_streams() == [])
    assert channels() == []


@pytest.mark.parametrize("goes", ["the last follower", "a listener that failed"])
async def test_only_after_a_failure_is_the_layer_flushed(ear, often_sweeps, monkeypatch, goes):
    """To flush it takes away what other consumers of this process have there."""
    the_hub, flushed = hub.current(), asyncio.Event()
    original = the_hub._layer.flush

    async def flush():
        flushed.set()
        await original()

    monkeypatch.setattr(the_hub._layer, "flush", flush, raising=False)
    neighbour = await the_hub._layer.new_channel()
    await the_hub._layer.group_add("chat", neighbour)
    await the_hub.follow("user-1", ear)
    if goes == "the last follower":
        await the_hub.leave("user-1", ear)
        await eventually(lambda: tasks_of_streams() == [])
        assert not flushed.is_set()
        await the_hub._layer.group_send("chat", {"type": "chat.message"})

        async with asyncio.timeout(30):
            assert await the_hub._layer.receive(neighbour) == {"type": "chat.message"}
        assert list(the_hub._layer.channels) == [neighbour]
    else:
        the_hub._listener.cancel()
        async with asyncio.timeout(30):
            await flushed.wait()


@pytest.mark.parametrize("moment", ["at once", "when it has joined"])
async def test_who_goes_leaves_nothing_in_the_layer(ear, moment):
    the_hub = hub.current()
    following = asyncio.ensure_future(the_hub.follow("user-1", ear))
    if moment == "at once":
        await eventually(lambda: the_hub._syncing)
        the_hub.drop("user-1", ear)
    await following
    await the_hub.leave("user-1", ear)

    await eventually(lambda: tasks_of_streams() == [])
    assert (the_hub._layer.channels, the_hub._layer.groups) == ({}, {})


async def test_who_goes_while_valkey_is_down_leaves_nothing_behind(ear, valkey):
    the_hub = hub.current()
    await the_hub.follow("user-1", ear)
    valkey.kill()

    await the_hub.leave("user-1", ear)

    await eventually(lambda: tasks_of_streams() == [])
    assert (the_hub._layer.channels, the_hub._layer.groups) == ({}, {})


async def test_a_hub_has_the_layer_of_its_own_that_a_project_gives_it(ear, settings, channels):
    (own,) = settings.CHANNEL_LAYERS.values()
    prefix = own["CONFIG"]["prefix"]
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "a project's own"},
        "streams": {**own, "CONFIG": {**own["CONFIG"], "prefix": f"{prefix}-streams"}},
    }
    settings.NOTIFICATIONS_CHANNEL_LAYER = "streams"

    await hub.current().follow("user-1", ear)
    await say("a")

    await eventually(lambda: ear.heard == ["a"])
    groups = [name for name in channels() if "__group__" in name]
    assert groups == [f"{prefix}-streams__group__user-1"]


async def test_leaving_what_is_not_followed_is_no_mistake(ear):
    await hub.current().leave("user-1", ear)
    await hub.current().follow("user-1", ear)
    await hub.current().leave("user-2", ear)

    await say("a")

    await eventually(lambda: ear.heard == ["a"])


async def test_one_who_comes_as_the_last_one_goes_is_heard(ear):
    """A page that is loaded again: the old socket goes while the new one comes."""
    the_hub = hub.current()
    for _ in range(20):
        old, new = Ear(), Ear()
        await the_hub.follow("user-1", old)
        await asyncio.gather(the_hub.leave("user-1", old), the_hub.follow("user-1", new))

        await say("a")
        await eventually(lambda new=new: new.heard == ["a"])

        await the_hub.leave("user-1", new)


async def test_a_hub_can_be_used_again_after_its_end(ear):
    await hub.current().follow("user-1", ear)
    await hub.current().leave("user-1", ear)
    await hub.current().follow("user-1", ear)

    await say("a")

    await eventually(lambda: ear.heard == ["a"])


# -- what makes no sense -----------------------------------------------------------------------


def message(**changes):
    item = {"kind": "event", "offset": 1, "revision": 0, "name": "a", "data": {}, "at": "then"}
    whole = {"type": "stream.push", "stream": "user-1", "epoch": "e", "offset": 1, "revision": 0}
    return {**whole, "items": [item], **changes}


@pytest.mark.parametrize(
    "poison",
    [
        {},
        {"type": "something.else"},
        message(offset="many"),
        message(items=None),
        message(items=[1]),
        message(items=[{"kind": "event"}]),
        message(items=[{**message()["items"][0], "data": None}]),
        message(stream=["user-1"]),
    ],
)
async def test_a_message_that_makes_no_sense_is_counted_and_dropped(ear, poison):
    the_hub = hub.current()
    await the_hub.follow("user-1", ear)

    await the_hub._layer.group_send("user-1", signed.sign(poison))
    await say("a")

    await eventually(lambda: ear.heard == ["a"])
    assert the_hub.counters["poison"] == 1


async def test_bytes_that_are_no_message_are_counted_and_dropped(ear, valkey):
    the_hub = hub.current()
    await the_hub.follow("user-1", ear)

    with valkey.client() as client:
        for garbage in (b"", b"\xc1", b"hello", b"\x81\xa1k", b"\x93\x01\x02\x03", b"\x07"):
            client.publish("waybill__group__user-1", garbage)
    await say("a")

    await eventually(lambda: ear.heard == ["a"])
    assert the_hub.counters["poison"] == 6


# -- what somebody else has written ------------------------------------------------------------


async def captured(the_hub, ear):
    """A push as it goes over the layer, of an event that `ear` has heard."""
    receive, found = the_hub._receive, []
    the_hub._receive = lambda given: (found.append(given), receive(given))
    await say("a")
    await eventually(lambda: ear.heard == ["a"])
    del the_hub._receive
    return found[0]


def with_another_key(message, settings):
    ours, settings.SECRET_KEY = settings.SECRET_KEY, "of somebody else" * 5
    forged = signed.sign(message)
    settings.SECRET_KEY = ours
    return forged


@pytest.mark.parametrize("way", ["key", "changed", "cut off", "none", "unsigned", "no text"])
async def test_forged_push_is_counted_and_reaches_nobody(ear, valkey, settings, way):
    the_hub = hub.current()
    await the_hub.follow("user-1", ear)
    real = await captured(the_hub, ear)
    text = real["signed"].rpartition(":")[0]
    next_one = message(epoch="", offset=2)
    forged = {
        "key": with_another_key(next_one, settings),
        "changed": {**real, "signed": real["signed"].replace('"offset":1', '"offset":2')},
        "cut off": {**real, "signed": real["signed"][:-1]},
        "none": {**real, "signed": text},
        "unsigned": next_one,
        "no text": {**real, "signed": {"$": text}},
    }[way]

    with valkey.client() as client:
        assert client.publish("waybill__group__user-1", the_hub._layer.serialize(forged)) == 1
    await say("b")

    await eventually(lambda: ear.heard == ["a", "b"])
    counters = the_hub.counters
    assert (counters["forged"] + counters["poison"], counters["received"]) == (1, 2)
    assert counters["forged"] == (way not in {"unsigned", "no text"})


async def test_push_that_is_sent_again_is_counted(ear, valkey):
    the_hub = hub.current()
    await the_hub.follow("user-1", ear)
    real = await captured(the_hub, ear)

    with valkey.client() as client:
        for _ in range(3):
            client.publish("waybill__group__user-1", the_hub._layer.serialize(real))

    await eventually(lambda: the_hub.counters["repeated"] == 3)


async def test_push_in_another_group_stays_what_it_is(ear, valkey):
    the_hub, other = hub.current(), Ear()
    await the_hub.follow("user-1", ear)
    await the_hub.follow("user-2", other)
    real = await captured(the_hub, ear)

    with valkey.client() as client:
        client.publish("waybill__group__user-2", the_hub._layer.serialize(real))

    await eventually(lambda: the_hub.counters["repeated"] == 1)
    assert other.heard == []


async def test_flood_of_forged_pushes_is_a_line_of_the_log(ear, valkey, settings, caplog):
    the_hub = hub.current()
    await the_hub.follow("user-1", ear)
    forged = the_hub._layer.serialize(with_another_key(message(), settings))

    with valkey.client() as client:
        for _ in range(100):
            client.publish("waybill__group__user-1", forged)

    await eventually(lambda: the_hub.counters["forged"] == 100)
    assert caplog.text.count("Dropped a message of the channel layer") == 1


# -- sweeps ------------------------------------------------------------------------------------


async def test_a_sweep_tells_where_each_stream_stands(ear, often_sweeps):
    await say("a", "b")
    await hub.current().follow("user-1", ear)

    await eventually(lambda: ear.heads)

    assert ear.heads[0].offset == 2


async def test_a_sweep_asks_for_all_streams_at_once(ear, often_sweeps, monkeypatch):
    asked = []
    monkeypatch.setattr(backlog, "heads", lambda names: asked.append(sorted(names)) or {})
    for number in range(5):
        await hub.current().follow(f"user-{number}", ear)

    seen = len(asked)
    await eventually(lambda: len(asked) > seen)

    assert asked[-1] == [f"user-{number}" for number in range(5)]


async def test_a_sweep_is_one_query_whatever_follows_whatever(ear, often_sweeps, monkeypatch):
    the_hub = hub.current()
    heads, execute, seen = backlog.heads, CursorWrapper.execute, []

    def sweep(names):
        seen.append("sweep")
        return heads(names)

    def query(cursor, sql, params=None):
        seen.append("query")
        return execute(cursor, sql, params)

    for number in range(50):
        await say("a", stream=f"user-{number}")
        for each in (ear, Ear(), Ear()):
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
async def test_a_sweep_that_fails_is_not_the_last(ear, often_sweeps, monkeypatch, caplog, error):
    failures = [error, error]
    original = backlog.heads

    def heads(names):
        if failures:
            raise failures.pop()
        return original(names)

    monkeypatch.setattr(backlog, "heads", heads)
    await say("a")
    await hub.current().follow("user-1", ear)

    await eventually(lambda: ear.heads)

    assert "sweep" in caplog.text


# -- a layer that fails ------------------------------------------------------------------------


async def test_without_valkey_a_stream_can_be_followed_and_sweeps_deliver(
    ear, valkey, often_sweeps, caplog
):
    valkey.kill()

    await hub.current().follow("user-1", ear)
    await say("a")

    await eventually(lambda: ear.heads and ear.heads[-1].offset == 1)
    assert ear.heard == []
    assert "The channel layer cannot be joined" in caplog.text


async def test_a_layer_that_comes_late_is_joined(ear, valkey, often_sweeps, channels):
    valkey.kill()
    await hub.current().follow("user-1", ear)
    valkey.start()

    await eventually(lambda: "waybill__group__user-1" in channels())
    push._retry_at = 0.0
    await say("a")

    await eventually(lambda: ear.heard == ["a"])


@pytest.mark.parametrize("was_there", [True, False])
async def test_a_layer_that_is_down_keeps_nothing_of_what_was_tried(
    ear, valkey, often_sweeps, was_there
):
    the_hub = hub.current()
    if was_there:
        await the_hub.follow("user-1", ear)
    valkey.kill()
    await the_hub.follow("user-1", ear)

    for number in range(10):
        await the_hub.follow(f"export-{number}", ear)
        await the_hub.leave(f"export-{number}", ear)
    sweeps = the_hub.counters["sweeps"]
    await eventually(lambda: the_hub.counters["sweeps"] > sweeps + 10)

    # A channel is a queue, and a group a set of channels: for good, if nobody removes them.
    inside = the_hub._layer._get_layer()
    assert len(inside.channels) <= 1
    valkey.start()
    await eventually(lambda: the_hub._joined)
    assert (len(inside.channels), list(inside.groups)) == (1, ["waybill__group__user-1"])


async def test_a_frozen_layer_holds_nobody_up_for_longer_than_a_second(ear, valkey):
    valkey.freeze()
    the_hub = hub.current()
    streams = [f"user-{number}" for number in range(50)]

    begin = time.monotonic()
    await asyncio.gather(*(the_hub.follow(stream, ear) for stream in streams))
    followed = time.monotonic()
    await asyncio.gather(*(the_hub.leave(stream, ear) for stream in streams))
    left = time.monotonic()

    # 50 times that, if they waited one after the other.
    assert followed - begin < hub.LAYER_TIMEOUT * 10
    assert left - followed < hub.LAYER_TIMEOUT * 10
    assert tasks_of_streams() in ([], ["streams-sync"])


async def test_a_frozen_layer_makes_no_sweep_late(ear, valkey, often_sweeps, monkeypatch):
    valkey.freeze()
    await hub.current().follow("user-1", ear)

    with monkeypatch.context() as patient:
        patient.setattr(hub, "LAYER_TIMEOUT", 3600.0)
        sweeps = hub.current().counters["sweeps"]
        # Meanwhile a connection would be tried three or four times, each for three seconds.
        await eventually(lambda: hub.current().counters["sweeps"] > sweeps + 10)


async def test_a_frozen_layer_does_not_pile_up_tasks(ear, valkey, often_sweeps, monkeypatch):
    monkeypatch.setattr(hub, "LAYER_TIMEOUT", 0.01)
    valkey.freeze()
    for number in range(20):
        await hub.current().follow(f"export-{number}", ear)

    sweeps = hub.current().counters["sweeps"]
    await eventually(lambda: hub.current().counters["sweeps"] > sweeps + 5)

    assert tasks_of_streams() == ["streams-sweep", "streams-sync"]


async def test_what_was_asked_of_a_frozen_layer_is_done_when_it_thaws(ear, valkey, channels):
    await hub.current().follow("user-1", ear)
    valkey.freeze()
    await hub.current().follow("user-2", ear)
    await hub.current().leave("user-1", ear)
    valkey.thaw()

    groups = ["waybill__group__user-2"]
    await eventually(lambda: [name for name in channels() if "__group__" in name] == groups)


async def test_a_flushed_valkey_changes_nothing(ear, valkey):
    await hub.current().follow("user-1", ear)

    valkey.flush()
    await say("a")

    await eventually(lambda: ear.heard == ["a"])


async def test_after_a_restart_of_valkey_pushes_arrive_again(ear, valkey, channels, caplog):
    caplog.set_level(logging.CRITICAL, "channels_redis")
    await hub.current().follow("user-1", ear)
    valkey.kill()
    valkey.start()

    await eventually(lambda: "waybill__group__user-1" in channels())
    push._retry_at = 0.0
    await say("a")

    await eventually(lambda: ear.heard == ["a"])


async def test_a_connection_that_valkey_drops_is_made_again(ear, valkey, channels, caplog):
    caplog.set_level(logging.CRITICAL, "channels_redis")
    await hub.current().follow("user-1", ear)
    with valkey.client() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

    await eventually(lambda: "waybill__group__user-1" in channels())
    await say("a")

    await eventually(lambda: ear.heard == ["a"])


async def test_a_listener_that_dies_is_replaced(ear, often_sweeps, monkeypatch, caplog):
    the_hub = hub.current()
    original = the_hub._layer.receive

    async def receive(channel):
        monkeypatch.setattr(the_hub._layer, "receive", original, raising=False)
        await original(channel)
        raise ConnectionError("what a layer may raise")

    monkeypatch.setattr(the_hub._layer, "receive", receive, raising=False)
    await the_hub.follow("user-1", ear)
    await say("lost on the way")
    await eventually(lambda: "The listener of the channel layer failed" in caplog.text)

    await eventually(lambda: the_hub._listener and the_hub._joined)
    await say("a")

    await eventually(lambda: ear.heard == ["a"])


async def test_a_hub_that_has_gone_deaf_notices_and_joins_anew(ear, often_sweeps, caplog):
    """Whatever the reason: here the layer has forgotten, in this process, who is in the group."""
    the_hub = hub.current()
    await the_hub.follow("user-1", ear)
    await say("heard")
    await eventually(lambda: ear.heard == ["heard"])
    deaf = the_hub._channel
    the_hub._layer.groups.clear()

    while not the_hub.counters["renewed"]:
        sweeps = the_hub.counters["sweeps"]
        await say("missed")
        await eventually(lambda sweeps=sweeps: the_hub.counters["sweeps"] > sweeps)

    assert ear.heard == ["heard"]
    assert "Pushes do not arrive" in caplog.text
    await eventually(lambda: the_hub._channel != deaf and the_hub._joined)
    await say("heard again")
    await eventually(lambda: ear.heard[-1] == "heard again")


async def test_a_connection_that_brings_nothing_any_more_is_replaced(ear, often_sweeps):
    """Its peer has vanished without a word: it takes what it is given, and is silent."""
    the_hub = hub.current()
    await the_hub.follow("user-1", ear)
    (shard,) = the_hub._layer._get_layer()._shards
    silent = shard._pubsub

    async def silence(**_):
        await asyncio.sleep(0.01)

    silent.get_message = silence
    while not the_hub.counters["renewed"]:
        sweeps = the_hub.counters["sweeps"]
        await say("missed")
        await eventually(lambda sweeps=sweeps: the_hub.counters["sweeps"] > sweeps)
    await eventually(lambda: shard._pubsub not in {None, silent} and the_hub._joined)
    await say("heard again")

    await eventually(lambda: ear.heard and ear.heard[-1] == "heard again")


async def test_a_hub_that_hears_is_left_alone(ear, often_sweeps):
    the_hub = hub.current()
    await the_hub.follow("user-1", ear)

    while the_hub.counters["sweeps"] < 10:
        await say("a")
    await eventually(lambda: len(ear.heard) == ear.heads[-1].offset)

    assert the_hub.counters["renewed"] == 0


async def test_streams_that_stood_before_anybody_followed_are_nobodys_misses(ear, often_sweeps):
    await say("long ago")
    the_hub = hub.current()
    await the_hub.follow("user-1", ear)

    await eventually(lambda: the_hub.counters["sweeps"] > 2 * hub.MAX_MISSES)

    assert the_hub.counters["caught_up"] == 0
    assert ear.heads[-1] == Cursor(ear.heads[-1].epoch, 1, 0)
