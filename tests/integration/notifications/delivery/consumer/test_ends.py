"""Several sockets beside each other, and how each ends."""

from __future__ import annotations

import asyncio

import pytest

from notifications.delivery import consumer as consumers
from notifications.delivery import hub
from notifications.streams import backlog
from tests.support.streaming import append_events, connected, eventually, tasks_of_streams

pytestmark = pytest.mark.django_db(transaction=True)


async def test_sockets_of_a_process_share_one_layer_member(cookie, name, valkey):
    async with connected(cookie) as one, connected(cookie) as two:
        await one.subscribe({name: None})
        await two.subscribe({name: None})
        await append_events(name, "a")

        assert await one.events_until("a") == await two.events_until("a") == ["a"]
        with valkey.client() as client:
            channels = [each.decode() for each in client.pubsub_channels()]
        assert len([each for each in channels if "specific." in each]) == 1
        assert hub.current().counters["received"] == 1


async def test_slow_socket_does_not_delay_another(cookie, name, settings):
    settings.NOTIFICATIONS_WINDOW = 2
    async with connected(cookie) as slow, connected(cookie) as quick:
        await slow.subscribe({name: None})
        await quick.subscribe({name: None})
        for turn in range(20):
            await append_events(name, f"{turn}")
            assert await quick.events_until(f"{turn}") == [f"{turn}"]
            await quick.acknowledge()


async def test_slow_query_of_one_socket_does_not_delay_another(user, cookie, name, monkeypatch):
    loop, may_end = asyncio.get_running_loop(), asyncio.Event()
    original, begun = backlog.read, []

    def read(stream, *arguments):
        if stream == "a-slow":
            begun.append(stream)
            asyncio.run_coroutine_threadsafe(may_end.wait(), loop).result(60)
        return original(stream, *arguments)

    monkeypatch.setattr(backlog, "read", read)
    monkeypatch.setattr(consumers.access, "readable", lambda user, streams: set(streams))
    async with connected(cookie) as slow, connected(cookie) as quick:
        await slow.send("subscribe", streams={"a-slow": None})
        await eventually(lambda: begun)
        await quick.subscribe({name: None})
        await append_events(name, "a")

        assert await quick.events_until("a") == ["a"]
        may_end.set()


async def test_closed_socket_leaves_nothing_behind(cookie, name, valkey):
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await append_events(name, "a")
        await socket.events_until("a")
        assert tasks_of_streams() == [
            "stream-heartbeat",
            "stream-pump",
            "stream-recheck",
            "stream-recheck-named",
            "streams-listen",
            "streams-sweep",
        ]

    assert tasks_of_streams() == []
    assert hub.current()._followers == {}
    with valkey.client() as client:
        assert client.pubsub_channels() == []


async def test_raising_handler_leaves_nothing_of_its_socket(cookie, name, monkeypatch):
    """Channels does not call disconnect() then."""

    def readable(user, streams):
        if "a-1" in streams:
            raise RuntimeError("a mistake of ours")
        return set(streams)

    monkeypatch.setattr(consumers.access, "readable", readable)
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await socket.send("subscribe", streams={"a-1": None})

        with pytest.raises(RuntimeError, match="a mistake of ours"):
            await socket.communicator.wait(15)

        await eventually(lambda: tasks_of_streams() == [])
        assert hub.current()._followers == {}


async def test_killed_socket_leaves_nothing_behind(cookie, name):
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})

        socket.communicator.future.cancel()
        await eventually(lambda: tasks_of_streams() == [])

        assert hub.current()._followers == {}


async def test_ended_socket_is_forgotten_before_its_tasks_end(cookie, name, monkeypatch):
    """A server that stops may not wait for them."""
    may_end = asyncio.Event()

    async def stubborn(consumer):
        try:
            await asyncio.Event().wait()
        finally:
            await may_end.wait()

    monkeypatch.setattr(consumers.StreamConsumer, "_heartbeat", stubborn)
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        socket.communicator.future.cancel()

        try:
            await eventually(lambda: hub.current()._followers == {})
            assert not hub.current().connections
            assert "stream-heartbeat" in tasks_of_streams()
        finally:
            may_end.set()
        await eventually(lambda: tasks_of_streams() == [])


async def test_socket_killed_while_subscribing_leaves_nothing_behind(cookie, name, monkeypatch):
    original = hub.Hub.follow
    following = asyncio.Event()

    async def follow(the_hub, stream, subscriber):
        await original(the_hub, stream, subscriber)
        following.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(hub.Hub, "follow", follow)
    async with connected(cookie) as socket:
        await socket.send("subscribe", streams={name: None})
        await following.wait()

        socket.communicator.future.cancel()
        await eventually(lambda: tasks_of_streams() == [])

        assert hub.current()._followers == {}


async def test_socket_can_leave_while_valkey_is_frozen(cookie, valkey, monkeypatch):
    monkeypatch.setattr(consumers.access, "readable", lambda user, streams: set(streams))
    valkey.freeze()
    async with connected(cookie) as socket:
        await socket.subscribe({f"user-{number}": None for number in range(30)})

        async with asyncio.timeout(hub.LAYER_TIMEOUT + 5):
            await socket.disconnect()

        assert hub.current()._followers == {}
