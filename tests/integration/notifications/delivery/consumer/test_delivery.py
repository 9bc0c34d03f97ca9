"""Catching up, then going on live: everything once and in order."""

from __future__ import annotations

import asyncio

import pytest
from django.contrib.auth.models import Group
from django.db import transaction

from notifications.delivery import consumer, hub
from notifications.models import Stream
from notifications.streams import backlog, publish, push, signed
from tests.support.consuming import cursor_of, messages
from tests.support.streaming import append, append_events, connected, eventually, in_thread, retain

pytestmark = pytest.mark.django_db(transaction=True)


async def test_null_cursor_brings_everything_kept_then_new_events(cookie, name):
    await append_events(name, "a", "b")
    await in_thread(retain, name, "k", n=1)

    async with connected(cookie) as socket:
        answer = await socket.subscribe({name: None})
        await socket.events_until("b")
        await append_events(name, "c")
        await socket.events_until("c")

    assert (answer["recovered"], answer["cursor"].split(".")[1:]) == (True, ["0", "0"])
    assert messages(socket) == ["k=1", "a", "b", "c"]


async def test_latest_cursor_brings_only_new_events(cookie, name):
    await append_events(name, "a")
    await in_thread(retain, name, "k", n=1)
    latest = await cursor_of(name)

    async with connected(cookie) as socket:
        answer = await socket.subscribe({name: "latest"})
        await append_events(name, "b")
        await socket.events_until("b")

    assert answer["cursor"] == latest
    assert messages(socket) == ["b"]


async def test_cursor_brings_events_after_its_position(cookie, name):
    await append_events(name, "a")
    since = await cursor_of(name)
    await append_events(name, "b")
    await in_thread(retain, name, "k", n=1)

    async with connected(cookie) as socket:
        answer = await socket.subscribe({name: since})
        await socket.events_until("b")

    assert answer == {"type": "subscribed", "stream": name, "cursor": since, "recovered": True}
    assert messages(socket) == ["k=1", "b"]


async def test_empty_stream_has_a_cursor_to_resume_from(cookie, name):
    async with connected(cookie) as socket:
        cursor = (await socket.subscribe({name: None}))["cursor"]
    await append_events(name, "while away")
    async with connected(cookie) as socket:
        await socket.subscribe({name: cursor})

        assert await socket.events_until("while away") == ["while away"]


async def test_reconnecting_client_gets_exactly_the_missed_events(cookie, name):
    seen = []
    cursor = None
    for turn in range(4):
        async with connected(cookie) as socket:
            await socket.subscribe({name: cursor})
            await append_events(name, f"live {turn}")
            seen += await socket.events_until(f"live {turn}")
            cursor = socket.frames[-1]["cursor"]
        await append_events(name, f"missed {turn}", f"missed too {turn}")

    expected = []
    for turn in range(4):
        expected += [f"live {turn}", f"missed {turn}", f"missed too {turn}"]
    assert seen == expected[: len(seen)]
    assert len(seen) == 10


async def test_invalid_cursor_is_answered_with_a_reset(cookie, name):
    await append_events(name, "old")
    old = await cursor_of(name)
    await in_thread(Stream.objects.all().delete)
    await append_events(name, "new")

    async with connected(cookie) as socket:
        answer = await socket.subscribe({name: old})
        await socket.events_until("new")

    assert not answer["recovered"]
    assert [each["type"] for each in socket.frames] == ["welcome", "subscribed", "reset", "event"]
    assert socket.frames[2] == {"type": "reset", "stream": name, "reason": "epoch"}


async def test_stream_created_again_under_an_open_socket_is_reset(cookie, name, often_sweeps):
    async with connected(cookie) as socket:
        await append_events(name, "old")
        await socket.subscribe({name: None})
        await socket.events_until("old")
        await in_thread(Stream.objects.all().delete)

        await append_events(name, "new")
        await socket.events_until("new")

    assert [each["type"] for each in socket.frames[-2:]] == ["reset", "event"]


async def test_items_of_one_transaction_keep_their_order(cookie, name):
    @transaction.atomic
    def write():
        publish.append(name, "a", {})
        publish.retain(name, "k", {"n": 1})
        publish.append(name, "b", {})
        publish.retain(name, "k", {"n": 2})
        publish.append(name, "last", {})

    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await in_thread(write)
        await socket.events_until("last")

    assert messages(socket) == ["a", "k=1", "b", "k=2", "last"]


async def test_event_pushed_twice_is_sent_once(cookie, name, monkeypatch):
    async def send_twice(messages):
        layer = push.get_channel_layer()
        for group, message in [*messages.items(), *messages.items()]:
            await layer.group_send(group, signed.sign(message))

    monkeypatch.setattr(push, "_send", send_twice)
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await append_events(name, "a", "b")
        await append_events(name, "last")

        assert await socket.events_until("last") == ["a", "b", "last"]


async def test_event_committed_between_joining_and_reading_comes_once(cookie, name, monkeypatch):
    """And so does what is committed while the read is under way."""
    original = backlog.read

    def read(*arguments):
        monkeypatch.setattr(backlog, "read", original)
        append(name, "before the read")
        page = original(*arguments)
        append(name, "after the read")
        return page

    monkeypatch.setattr(backlog, "read", read)
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await socket.events_until("after the read")
        await append_events(name, "last")

        assert await socket.events_until("last") == ["last"]
    assert messages(socket) == ["before the read", "after the read", "last"]


async def test_event_committed_before_the_group_is_joined_comes_once(cookie, name, monkeypatch):
    original = hub.Hub.follow

    async def follow(the_hub, stream, subscriber):
        await in_thread(append, name, "too early for the layer")
        await original(the_hub, stream, subscriber)

    monkeypatch.setattr(hub.Hub, "follow", follow)
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})

        assert await socket.events_until("too early for the layer") == ["too early for the layer"]


async def test_stream_is_never_read_before_the_group_is_joined(cookie, name, monkeypatch, settings):
    """Though the connection is woken meanwhile, by another of its streams."""
    order = []
    follow, read = hub.Hub.follow, backlog.read

    async def slow_follow(the_hub, stream, subscriber):
        if stream == "user-late":
            subscriber._wake.set()
            for _ in range(20):
                await asyncio.sleep(0)
        await follow(the_hub, stream, subscriber)
        order.append(f"followed {stream}")

    def noted_read(stream, *arguments):
        order.append(f"read {stream}")
        return read(stream, *arguments)

    monkeypatch.setattr(hub.Hub, "follow", slow_follow)
    monkeypatch.setattr(backlog, "read", noted_read)
    monkeypatch.setattr(consumer.access, "readable", lambda user, streams: set(streams))
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await socket.subscribe({"user-late": None})

    assert order == [f"followed {name}", f"read {name}", "followed user-late", "read user-late"]


async def test_several_streams_share_one_socket(user, cookie, name):
    group = await in_thread(Group.objects.create, name="pilots")
    await in_thread(user.groups.add, group)
    team = f"team-{group.pk}"

    async with connected(cookie) as socket:
        await socket.subscribe({name: None, team: None})
        await append_events(name, "mine")
        await append_events(team, "ours")
        await socket.until(lambda frame: frame.get("event") == "ours")

        await socket.send("unsubscribe", streams=[team])
        await socket.send("ping", id="unsubscribed")
        await socket.until(lambda frame: frame["type"] == "pong")
        await append_events(team, "not for us any more")
        await append_events(name, "last")
        await socket.events_until("last")

    assert messages(socket) == ["mine", "ours", "last"]


async def test_second_subscription_starts_from_its_own_cursor(cookie, name):
    await append_events(name, "a")
    since = await cursor_of(name)
    await append_events(name, "b")

    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await socket.events_until("b")
        await socket.subscribe({name: since})

        assert await socket.events_until("b") == ["b"]


async def test_read_for_a_replaced_subscription_sends_nothing(cookie, name, monkeypatch):
    """Its reset would make the client forget what the new one does not send again."""
    await append_events(name, "a", "b")
    since = await cursor_of(name)
    loop, may_end = asyncio.get_running_loop(), asyncio.Event()
    original = backlog.read

    def slow(*arguments):
        monkeypatch.setattr(backlog, "read", original)
        page = original(*arguments)
        asyncio.run_coroutine_threadsafe(may_end.wait(), loop).result(15)
        return page

    monkeypatch.setattr(backlog, "read", slow)
    async with connected(cookie) as socket:
        await socket.send("subscribe", streams={name: "another-epoch.1.0"})
        await eventually(lambda: backlog.read is original)
        await socket.send("subscribe", streams={name: since})
        await socket.send("ping", id="replaced")
        await socket.until(lambda frame: frame["type"] == "pong")
        may_end.set()
        await append_events(name, "last")
        await socket.events_until("last")

    assert [each["type"] for each in socket.frames] == ["welcome", "pong", "subscribed", "event"]
