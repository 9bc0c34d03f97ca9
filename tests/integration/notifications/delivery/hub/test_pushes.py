"""The hub: this process's subscription to the channel layer."""

from __future__ import annotations

import asyncio

import pytest

from notifications.delivery import hub
from tests.support.hub import RecordingSubscriber
from tests.support.streaming import append_events, eventually, tasks_of_streams

pytestmark = pytest.mark.django_db(transaction=True)


async def test_push_reaches_only_followers_of_its_stream(subscriber):
    other = RecordingSubscriber()
    await hub.current().follow("user-1", subscriber)
    await hub.current().follow("user-2", other)

    await append_events("user-1", "a", "b")
    await append_events("user-1", "c")
    await append_events("user-2", "z")

    await eventually(lambda: subscriber.names == ["a", "b", "c"] and other.names == ["z"])


async def test_process_is_one_member_of_the_layer_for_all_followers(subscriber, channels):
    ears = [RecordingSubscriber() for _ in range(5)]
    for each in ears:
        await hub.current().follow("user-1", each)
        await hub.current().follow("user-2", each)

    assert len([name for name in channels() if "__group__" in name]) == 2
    assert len([name for name in channels() if "specific." in name]) == 1


async def test_item_is_shared_by_followers_and_encoded_once(subscriber):
    other = RecordingSubscriber()
    await hub.current().follow("user-1", subscriber)
    await hub.current().follow("user-1", other)

    await append_events("user-1", "a")
    await eventually(lambda: subscriber.names == other.names == ["a"])

    assert subscriber.items[0] is other.items[0]
    assert hub.current().counters["received"] == 1


async def test_follower_that_leaves_receives_no_more(subscriber):
    other = RecordingSubscriber()
    await hub.current().follow("user-1", subscriber)
    await hub.current().follow("user-1", other)

    await hub.current().leave("user-1", other)
    await append_events("user-1", "a")

    await eventually(lambda: subscriber.names == ["a"])
    assert other.names == []


async def test_stream_without_followers_leaves_its_group(subscriber, channels):
    await hub.current().follow("user-1", subscriber)
    await hub.current().follow("user-2", subscriber)

    await hub.current().leave("user-2", subscriber)

    assert [name for name in channels() if "__group__" in name] == ["waybill__group__user-1"]


async def test_hub_stops_with_its_last_follower(subscriber, channels):
    await hub.current().follow("user-1", subscriber)
    assert tasks_of_streams() == ["streams-listen", "streams-sweep"]

    await hub.current().leave("user-1", subscriber)

    await eventually(lambda: tasks_of_streams() == [])
    assert channels() == []


@pytest.mark.parametrize("goes", ["the last follower", "a listener that failed"])
async def test_layer_is_flushed_only_after_a_failure(subscriber, often_sweeps, monkeypatch, goes):
    """To flush it takes away what other consumers of this process have there."""
    the_hub, flushed = hub.current(), asyncio.Event()
    original = the_hub._layer.flush

    async def flush():
        flushed.set()
        await original()

    monkeypatch.setattr(the_hub._layer, "flush", flush, raising=False)
    neighbour = await the_hub._layer.new_channel()
    await the_hub._layer.group_add("chat", neighbour)
    await the_hub.follow("user-1", subscriber)
    if goes == "the last follower":
        await the_hub.leave("user-1", subscriber)
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
async def test_leaving_follower_leaves_nothing_in_the_layer(subscriber, moment):
    the_hub = hub.current()
    following = asyncio.ensure_future(the_hub.follow("user-1", subscriber))
    if moment == "at once":
        await eventually(lambda: the_hub._syncing)
        the_hub.drop("user-1", subscriber)
    await following
    await the_hub.leave("user-1", subscriber)

    await eventually(lambda: tasks_of_streams() == [])
    assert (the_hub._layer.channels, the_hub._layer.groups) == ({}, {})


async def test_follower_that_leaves_during_an_outage_leaves_nothing(subscriber, valkey):
    the_hub = hub.current()
    await the_hub.follow("user-1", subscriber)
    valkey.kill()

    await the_hub.leave("user-1", subscriber)

    await eventually(lambda: tasks_of_streams() == [])
    assert (the_hub._layer.channels, the_hub._layer.groups) == ({}, {})


async def test_hub_uses_the_dedicated_channel_layer_of_a_project(subscriber, settings, channels):
    (own,) = settings.CHANNEL_LAYERS.values()
    prefix = own["CONFIG"]["prefix"]
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "a project's own"},
        "streams": {**own, "CONFIG": {**own["CONFIG"], "prefix": f"{prefix}-streams"}},
    }
    settings.NOTIFICATIONS_CHANNEL_LAYER = "streams"

    await hub.current().follow("user-1", subscriber)
    await append_events("user-1", "a")

    await eventually(lambda: subscriber.names == ["a"])
    groups = [name for name in channels() if "__group__" in name]
    assert groups == [f"{prefix}-streams__group__user-1"]


async def test_leaving_an_unfollowed_stream_is_harmless(subscriber):
    await hub.current().leave("user-1", subscriber)
    await hub.current().follow("user-1", subscriber)
    await hub.current().leave("user-2", subscriber)

    await append_events("user-1", "a")

    await eventually(lambda: subscriber.names == ["a"])


async def test_follower_that_joins_as_the_last_one_leaves_gets_pushes(subscriber):
    """A page that is loaded again: the old socket goes while the new one comes."""
    the_hub = hub.current()
    for _ in range(20):
        old, new = RecordingSubscriber(), RecordingSubscriber()
        await the_hub.follow("user-1", old)
        await asyncio.gather(the_hub.leave("user-1", old), the_hub.follow("user-1", new))

        await append_events("user-1", "a")
        await eventually(lambda new=new: new.names == ["a"])

        await the_hub.leave("user-1", new)


async def test_hub_can_be_restarted(subscriber):
    await hub.current().follow("user-1", subscriber)
    await hub.current().leave("user-1", subscriber)
    await hub.current().follow("user-1", subscriber)

    await append_events("user-1", "a")

    await eventually(lambda: subscriber.names == ["a"])
