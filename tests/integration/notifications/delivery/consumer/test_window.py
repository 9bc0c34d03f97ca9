"""Acknowledging, and what a client costs that does not."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group

from notifications.streams import backlog
from tests.support.consuming import messages
from tests.support.streaming import append_events, connected, in_thread, retain

pytestmark = pytest.mark.django_db(transaction=True)


async def test_window_of_frames_is_sent_and_the_rest_after_an_ack(cookie, name, settings):
    settings.NOTIFICATIONS_WINDOW = 3
    await append_events(name, *"abcdefgh")

    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        assert await socket.events_until("c") == ["a", "b", "c"]
        await append_events(name, "live")
        assert await socket.communicator.receive_nothing(0.2)

        seen = list("abc")
        while seen[-1] != "live":
            await socket.acknowledge()
            seen.append((await socket.next())["event"])

    assert seen == [*"abcdefgh", "live"]


async def test_slow_client_skips_to_the_latest_value(cookie, name, settings):
    settings.NOTIFICATIONS_WINDOW = 2

    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        for number in range(50):
            await in_thread(retain, name, "bar", n=number)
        await socket.next()
        await socket.next()
        await socket.acknowledge()
        latest = await socket.next()

    assert latest["data"] == {"n": 49}


async def test_streams_have_separate_windows(user, cookie, name, settings):
    settings.NOTIFICATIONS_WINDOW = 1
    group = await in_thread(Group.objects.create, name="pilots")
    await in_thread(user.groups.add, group)
    await append_events(name, "a", "b")
    await append_events(f"team-{group.pk}", "c", "d")

    async with connected(cookie) as socket:
        await socket.subscribe({name: None, f"team-{group.pk}": None})
        await socket.until(lambda frame: frame.get("event") == "c")

    assert messages(socket) == ["a", "c"]


async def test_rows_are_read_once_for_any_pattern_of_acks(cookie, name, settings, monkeypatch):
    settings.NOTIFICATIONS_WINDOW = 8
    await append_events(name, *["log"] * 99, "last")
    rows = []
    original = backlog.read

    def read(*arguments):
        page = original(*arguments)
        rows.extend(page.items)
        return page

    monkeypatch.setattr(backlog, "read", read)
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        while messages(socket)[-1:] != ["last"]:
            frame = await socket.next()
            await socket.send("ack", stream=name, cursor=frame["cursor"])

    assert messages(socket) == [*["log"] * 99, "last"]
    assert len(rows) == 100


async def test_client_that_does_not_acknowledge_is_closed_with_4408(
    cookie, name, settings, monkeypatch
):
    settings.NOTIFICATIONS_WINDOW = 1
    settings.NOTIFICATIONS_HEARTBEAT_SECONDS = 0.02
    settings.NOTIFICATIONS_STALLED_SECONDS = 0.1
    await append_events(name, "a", "b")

    async with connected(cookie) as socket:
        await socket.subscribe({name: None})

        assert await socket.close_code() == 4408


async def test_invalid_ack_is_ignored(cookie, name):
    async with connected(cookie) as socket:
        await socket.send("ack", stream=name, cursor="e.1.2")
        await socket.subscribe({name: None})
        await socket.send("ack", stream=name, cursor="nonsense")
        await socket.send("ack", stream=name, cursor="e.1.2")
        await append_events(name, "a")

        assert await socket.events_until("a") == ["a"]


async def test_heartbeat_has_the_position_of_each_stream(cookie, name, settings):
    settings.NOTIFICATIONS_HEARTBEAT_SECONDS = 0.05
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await append_events(name, "a")
        await socket.events_until("a")

        beat = await socket.communicator.receive_json_from(15)

    assert beat == {"type": "heartbeat", "heads": {name: socket.frames[-1]["cursor"]}}
