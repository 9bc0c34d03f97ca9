"""Frames that are not valid, too large, or too many."""

from __future__ import annotations

import gc
import json

import pytest

from notifications.delivery import consumer, hub
from notifications.protocol import frames, rate_limits
from notifications.streams import access
from tests.support.streaming import append_events, connected, eventually, in_thread, session_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("hello", "frame: Invalid JSON"),
        ('{"type":"dance"}', "frame: Input tag 'dance'"),
        ('{"type":"ping","ID":"7"}', "ping.ID: Extra inputs are not permitted"),
        ('{"type":"ping","id":"\\ud800"}', "frame: Invalid JSON"),
    ],
)
async def test_invalid_frame_is_answered_and_the_socket_stays_open(cookie, text, detail):
    async with connected(cookie) as socket:
        await socket.communicator.send_to(text_data=text)
        error = await socket.next()
        await socket.send("ping", id="still here")

        assert (error["type"], error["code"]) == ("error", "bad_frame")
        assert error["detail"].startswith(detail)
        assert await socket.next() == {"type": "pong", "id": "still here"}


async def test_invalid_cursor_is_named_with_its_stream(cookie, name):
    async with connected(cookie) as socket:
        answer = await socket.subscribe({name: "yesterday"})
        await socket.subscribe({name: None})

    assert (answer["code"], answer["stream"]) == ("bad_frame", name)
    assert "is not a valid cursor" in answer["detail"]
    assert socket.frames[-1]["type"] == "subscribed"


async def test_tenth_bad_frame_closes_the_socket(cookie, name):
    async with connected(cookie) as socket:
        for turn in range(9):
            if turn % 2:
                await socket.send("dance")
            else:
                await socket.send("subscribe", streams={name: "yesterday"})
            assert (await socket.next())["code"] == "bad_frame"

        await socket.send("dance")

        assert await socket.close_code() == 4400


@pytest.mark.parametrize("character", ["x", "\N{PACKAGE}"])
async def test_oversized_frame_closes_the_socket(cookie, character):
    async with connected(cookie) as socket:
        size = 32 * 1024 // len(character.encode()) + 1
        await socket.communicator.send_to(text_data=character * size)

        assert await socket.close_code() == 4400


async def test_largest_frame_is_accepted(cookie):
    async with connected(cookie) as socket:
        names = [f"{number:099}" for number in range(frames.MAX_NAMES)]
        frame = json.dumps({"type": "unsubscribe", "streams": names})
        await socket.communicator.send_to(text_data=frame.ljust(frames.MAX_FRAME_BYTES))
        await socket.send("ping", id="still here")

        assert await socket.next() == {"type": "pong", "id": "still here"}


async def test_frame_with_too_many_streams_is_refused_whole(cookie, name):
    names = [name, *(f"a-{number}" for number in range(frames.MAX_NAMES))]

    async with connected(cookie) as socket:
        for frame in (
            {"type": "subscribe", "streams": dict.fromkeys(names)},
            {"type": "unsubscribe", "streams": names},
        ):
            await socket.communicator.send_json_to(frame)
            error = await socket.next()

            assert (error["code"], error["stream"]) == ("bad_frame", None)
            assert f"at most {frames.MAX_NAMES} items" in error["detail"]
        assert hub.current()._followers == {}


async def test_error_details_are_short(cookie):
    """However much a client has sent, and however often it was wrong in one frame."""
    x = "x" * 15_000
    for frame in ({"type": x}, {"type": "ping", x: x}, {"type": "unsubscribe", "streams": [x]}):
        async with connected(cookie) as socket:
            await socket.communicator.send_json_to(frame)

            assert len((await socket.next())["detail"]) <= frames.MAX_DETAIL


@pytest.mark.proves("bad-frames-disturb-nobody-else")
async def test_repeated_subscribing_is_refused_without_a_query(cookie, name, monkeypatch):
    asked = []
    monkeypatch.setattr(rate_limits, "NAMES_A_SECOND", 0)
    monkeypatch.setattr(rate_limits, "NAMES_AT_ONCE", 5)

    def readable(user, streams):
        asked.extend(streams)
        return set(streams)

    monkeypatch.setattr(access, "readable", readable)

    async with connected(cookie) as socket:
        await socket.subscribe({f"a-{number}": None for number in range(5)})
        await socket.send("subscribe", streams={name: None})
        error = await socket.next()
        await socket.send("ping", id="still here")
        await socket.until(lambda frame: frame["type"] == "pong")

        assert (error["code"], error["stream"]) == ("bad_frame", None)
        assert error["detail"].startswith("streams: Too many names: at most 0 a second, 5 at once.")
        assert len(asked) == 5


async def test_frame_needs_one_query_for_all_its_streams(user, cookie, monkeypatch):
    questions = []
    original = consumer.in_database

    async def in_database(function, *arguments):
        questions.append(function)
        return await original(function, *arguments)

    async with connected(cookie) as socket:
        monkeypatch.setattr(consumer, "in_database", in_database)
        await socket.subscribe({f"user-{user.pk + number}": None for number in range(1, 101)})

    assert questions == [access.readable]


@pytest.mark.proves("bad-frames-disturb-nobody-else")
async def test_too_many_frames_are_refused_and_then_close_the_socket(cookie, monkeypatch):
    monkeypatch.setattr(rate_limits, "FRAMES_A_SECOND", 0)
    monkeypatch.setattr(rate_limits, "FRAMES_AT_ONCE", 5)

    async with connected(cookie) as socket:
        for number in range(5 + frames.MAX_BAD_FRAMES):
            await socket.send("ping", id=str(number))

        assert await socket.close_code() == 4400


async def test_client_that_acknowledges_every_frame_is_not_limited(cookie, name, monkeypatch):
    """There are no more such acks than frames that the server has sent."""
    monkeypatch.setattr(rate_limits, "FRAMES_A_SECOND", 0)
    monkeypatch.setattr(rate_limits, "FRAMES_AT_ONCE", 2)
    await append_events(name, *["log"] * 50, "last")

    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        while (frame := await socket.next()).get("event") != "last":
            await socket.send("ack", stream=name, cursor=frame["cursor"])
        await socket.send("ping", id="still here")

        assert await socket.next() == {"type": "pong", "id": "still here"}


async def test_binary_frame_closes_the_socket(cookie):
    async with connected(cookie) as socket:
        await socket.communicator.send_to(bytes_data=b'{"type":"ping"}')

        assert await socket.close_code() == 4400


async def test_closed_socket_sends_nothing_more(cookie, name):
    """The server would refuse it, and log that as an error of ours."""
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await socket.communicator.send_to(bytes_data=b"\0")
        await socket.send("ping", id="too late")
        await append_events(name, "too late")
        assert await socket.close_code() == 4400
        await eventually(lambda: hub.current().counters["received"])

        assert await socket.communicator.receive_nothing(0.2)


async def test_many_bytes_are_refused_and_then_close_the_socket(cookie):
    async with connected(cookie) as socket:
        ping = json.dumps({"type": "ping"}).ljust(frames.MAX_FRAME_BYTES)
        served = rate_limits.BYTES_AT_ONCE // frames.MAX_FRAME_BYTES
        for _ in range(served):
            await socket.communicator.send_to(text_data=ping)
            assert (await socket.next())["type"] == "pong"

        # Some come back while the test goes on, and not for long.
        while (answer := await send_and_read(socket, ping))["type"] == "pong":
            served += 1
        assert answer["code"] == "bad_frame"
        assert answer["detail"].startswith(
            f"Too many bytes: at most {rate_limits.BYTES_A_SECOND} a second"
        )
        for _ in range(50):
            await socket.communicator.send_to(text_data=ping)

        assert await socket.close_code() == 4400


async def send_and_read(socket, text):
    await socket.communicator.send_to(text_data=text)
    return await socket.next()


async def test_sockets_of_a_user_share_their_byte_limit(cookie, django_user_model, monkeypatch):
    monkeypatch.setattr(rate_limits, "BYTES_A_SECOND", 0)
    other = await in_thread(lambda: session_of(django_user_model.objects.create_user("grace")))
    monopoly = rate_limits.USER_FACTOR * rate_limits.BYTES_AT_ONCE
    ping = json.dumps({"type": "ping"}).ljust(frames.MAX_FRAME_BYTES)

    await use_up(cookie, monopoly)
    gc.collect()
    # Also for a socket that comes when the first has gone.
    async with connected(cookie) as second, connected(other) as neighbour:
        answer = await send_and_read(second, ping)
        assert (answer["type"], answer.get("code")) == ("error", "bad_frame")
        assert "on all of your connections together" in answer["detail"]

        assert (await send_and_read(neighbour, ping))["type"] == "pong"


async def use_up(cookie, size):
    async with connected(cookie) as socket:
        hub.current().allowance_of(socket.frames[0]["user"])._bytes.take(size)
