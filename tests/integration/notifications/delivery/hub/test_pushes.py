"""The hub: this process's subscription to the channel layer."""

from __future__ import annotations

import asyncio

import pytest

from notifications.delivery import hub
from tests.support.hub import Ear, say
from tests.support.streaming import eventually, tasks_of_streams

pytestmark = pytest.mark.django_db(transaction=True)


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
