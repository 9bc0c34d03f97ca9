"""Streams over plain HTTP: the same order, the same cursors, nothing lost between them."""

from __future__ import annotations

import asyncio
import json

import pytest
from asgiref.sync import sync_to_async
from django.db import transaction
from django.test import AsyncClient

from notifications.delivery import http_streams, hub
from notifications.delivery.follower import Follower
from notifications.streams import backlog, publish
from notifications.streams.cursor import Cursor
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def user(django_user_model):
    return django_user_model.objects.create_user("reader")


@pytest.fixture
def stream(user):
    return f"user-{user.pk}"


@pytest.fixture
def client(user):
    client = AsyncClient()
    client.force_login(user)
    return client


@transaction.atomic
def append(stream, *numbers):
    publish.append_many(stream, [("counted", {"number": number}) for number in numbers])


@transaction.atomic
def retain(stream, **values):
    for key, number in values.items():
        publish.retain(stream, key, {"number": number})


async def poll(client, stream, **query):
    response = await client.get(f"/api/v1/streams/{stream}", query)
    assert response.status_code == 200, response.content
    return response.json()


def numbers(polled):
    return [frame["data"]["number"] for frame in polled["frames"]]


async def test_poll_returns_values_before_events(client, stream):
    await sync_to_async(append)(stream, 1, 2)
    await sync_to_async(retain)(stream, bar=50)

    polled = await poll(client, stream)

    assert [(frame["type"], frame["data"]["number"]) for frame in polled["frames"]] == [
        ("state", 50),
        ("event", 1),
        ("event", 2),
    ]
    assert polled["cursor"] == await sync_to_async(backlog.current_cursor)(stream)


async def test_poll_waits_for_new_events(client, stream):
    after = await sync_to_async(backlog.current_cursor)(stream)
    here = hub.current()
    waiting = asyncio.create_task(poll(client, stream, after=after, wait=20))
    await asyncio.to_thread(wait_until, lambda: stream in here._followers, what="it waits")

    await sync_to_async(append)(stream, 7)

    assert numbers(await waiting) == [7]


async def test_poll_without_a_result_leaves_nothing_behind(client, stream):
    after = await sync_to_async(backlog.current_cursor)(stream)

    polled = await poll(client, stream, after=after, wait=0.1)

    assert (polled["frames"], polled["cursor"]) == ([], after)
    assert stream not in hub.current()._followers


@pytest.fixture
def asked_of_the_hub(monkeypatch):
    """What a request has asked of the hub, and so of the channel layer."""
    asked = []
    for name in ("follow", "enter"):
        original = getattr(hub.Hub, name)

        def noted(*arguments, name=name, original=original, **options):
            asked.append(name)
            return original(*arguments, **options)

        monkeypatch.setattr(hub.Hub, name, noted)
    return asked


@pytest.mark.parametrize(
    ("wait", "is_new", "asked"),
    [(0, False, []), (0, True, []), (20, True, ["enter"]), (0.05, False, ["enter", "follow"])],
)
async def test_poll_joins_the_layer_only_to_wait(
    *, client, stream, asked_of_the_hub, wait, is_new, asked
):
    after = await sync_to_async(backlog.current_cursor)(stream)
    if is_new:
        await sync_to_async(append)(stream, 7)

    polled = await poll(client, stream, after=after, wait=wait)

    assert numbers(polled) == ([7] if is_new else [])
    assert asked_of_the_hub == asked


async def test_event_just_before_the_wait_of_a_poll_is_returned(client, stream, monkeypatch):
    after = await sync_to_async(backlog.current_cursor)(stream)
    original = hub.Hub.follow

    async def follow(the_hub, name, follower):
        await sync_to_async(append)(stream, 7)
        await original(the_hub, name, follower)
        monkeypatch.setattr(Follower, "wait_for_items", no_news)

    async def no_news(follower, seconds):
        return False

    monkeypatch.setattr(hub.Hub, "follow", follow)

    assert numbers(await poll(client, stream, after=after, wait=20)) == [7]


@pytest.mark.proves("transports-can-be-switched")
async def test_polling_page_by_page_gives_everything_once(client, stream, monkeypatch):
    monkeypatch.setattr(backlog, "PAGE", 3)
    await sync_to_async(append)(stream, *range(8))
    await sync_to_async(retain)(stream, a=100, b=101)

    found, cursor, more = [], None, True
    while more:
        polled = await poll(client, stream, **({"after": cursor} if cursor else {}))
        found += numbers(polled)
        cursor, more = polled["cursor"], polled["more"]

    assert found == [100, 101, *range(8)]


async def test_cursor_of_another_epoch_is_reset(client, stream):
    await sync_to_async(append)(stream, 1)

    polled = await poll(client, stream, after="another.5.5")

    assert (polled["reset"], numbers(polled)) == ("epoch", [1])


@pytest.mark.parametrize(
    ("query", "field"), [({"after": "nonsense"}, "after"), ({"wait": 26}, "wait")]
)
async def test_invalid_parameter_is_named(client, stream, query, field):
    response = await client.get(f"/api/v1/streams/{stream}", query)

    assert (response.status_code, response.json()["field"]) == (422, field)
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.proves("foreign-exports-look-missing")
@pytest.mark.parametrize("path", ["", "/sse"])
async def test_foreign_stream_looks_missing(client, path):
    foreign = await client.get(f"/api/v1/streams/user-0{path}")
    unknown = await client.get(f"/api/v1/streams/nothing-0{path}")

    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert foreign.content == unknown.content


@pytest.mark.parametrize("path", ["", "/sse"])
async def test_streams_need_authentication(stream, path):
    response = await AsyncClient().get(f"/api/v1/streams/{stream}{path}")

    assert response.status_code == 401


async def frames(events, count):
    """The next `count` server-sent events: ids and data."""
    found = []
    async with asyncio.timeout(15):
        while len(found) < count:
            chunk = await anext(events)
            if "data: " in chunk:
                fields = dict(line.split(": ", 1) for line in chunk.strip().splitlines())
                found.append((fields["id"], json.loads(fields["data"])["data"]["number"]))
    return found


async def test_server_sent_events_resume_after_the_last_id(stream):
    await sync_to_async(append)(stream, 1, 2)
    first = http_streams._events(Follower(stream, None, reader=1))
    [(last_id, number)] = await frames(first, 1)
    await first.aclose()

    again = http_streams._events(Follower(stream, Cursor.parse(last_id), reader=1))
    [(_, second)] = await frames(again, 1)
    await sync_to_async(append)(stream, 3)
    [(_, third)] = await frames(again, 1)
    await again.aclose()

    assert (number, second, third) == (1, 2, 3)
    assert stream not in hub.current()._followers


async def test_client_can_switch_between_polling_and_events(client, stream):
    await sync_to_async(append)(stream, 1)
    polled = await poll(client, stream)
    await sync_to_async(append)(stream, 2)

    events = http_streams._events(Follower(stream, Cursor.parse(polled["cursor"]), reader=1))
    [(last_id, number)] = await frames(events, 1)
    await events.aclose()
    await sync_to_async(append)(stream, 3)

    assert [*numbers(polled), number] == [1, 2]
    assert numbers(await poll(client, stream, after=last_id)) == [3]


async def test_event_stream_ends_itself_and_is_not_buffered(client, stream, monkeypatch):
    monkeypatch.setattr(http_streams, "SSE_SECONDS", 0.05)
    await sync_to_async(append)(stream, 1)

    response = await client.get(f"/api/v1/streams/{stream}/sse")
    async with asyncio.timeout(15):
        text = b"".join([chunk async for chunk in response.streaming_content]).decode()

    assert response["Content-Type"] == "text/event-stream"
    assert response["X-Accel-Buffering"] == "no"
    assert text.startswith("retry: 1000\n\nevent: event\nid: ")


async def test_silent_event_stream_sends_a_comment_soon(client, stream, monkeypatch):
    monkeypatch.setattr(http_streams, "SSE_COMMENT_SECONDS", 60.0)

    response = await client.get(f"/api/v1/streams/{stream}/sse")
    received = response.streaming_content.__aiter__()
    async with asyncio.timeout(15):
        chunks = [await anext(received) for _ in range(2)]
    await received.aclose()

    assert chunks == [b"retry: 1000\n\n", b": still here\n\n"]


async def test_request_cancelled_while_joining_leaves_nothing_behind(stream, monkeypatch):
    here = hub.current()
    joining = asyncio.Event()

    async def never():
        joining.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(here, "sync_groups", never)
    entering = asyncio.create_task(Follower(stream, None, reader=1).__aenter__())
    await joining.wait()
    entering.cancel()
    await asyncio.gather(entering, return_exceptions=True)

    assert not here._followers
