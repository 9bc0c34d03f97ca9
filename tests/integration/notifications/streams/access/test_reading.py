"""Who may read a stream, and how requests without a socket end."""

from __future__ import annotations

import asyncio
import gc

import pytest
from django.contrib.auth.models import Group
from django.test import AsyncClient

from exports.models import Export
from notifications.delivery import hub
from notifications.delivery.follower import Follower
from notifications.models import Stream
from notifications.streams import access, backlog, push
from tests.support.stream_access import joined, leaves_the_team
from tests.support.streaming import (
    TIMEOUT,
    append_events,
    connected,
    eventually,
    in_thread,
    session_of,
)
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


UNKNOWN = "00000000-0000-0000-0000-000000000000"

# -- without a socket ----------------------------------------------------------------------------


@pytest.fixture
async def client(ada):
    client = AsyncClient()
    await client.aforce_login(ada)
    return client


async def test_event_stream_ends_at_once_after_a_lost_right(ada, team, client):
    stream = f"team-{team.pk}"
    response = await client.get(f"/api/v1/streams/{stream}/sse")
    received = response.streaming_content.__aiter__()
    assert (await anext(received)).startswith(b"retry:")
    rest = asyncio.ensure_future(anext(received, None))
    await eventually(lambda: joined() and stream in hub.current()._joined)

    await in_thread(leaves_the_team, ada, team, None)
    async with asyncio.timeout(TIMEOUT):
        assert await rest == b": still here\n\n"
        assert await anext(received, None) is None

    again = await client.get(f"/api/v1/streams/{stream}/sse")
    assert again.status_code == 404
    assert not hub.current().connections


@pytest.mark.proves("lost-rights-end-streams")
async def test_right_lost_just_after_the_check_ends_an_event_stream(
    ada, grace, team, client, monkeypatch
):
    stream, may_read, the_hub = f"team-{team.pk}", access.may_read, hub.current()
    neighbours_cookie = await in_thread(session_of, grace)
    await append_events(stream, "secret")

    def withdrawn_meanwhile(user, name):
        answer = may_read(user, name)
        ada.groups.remove(team)
        wait_until(lambda: the_hub.counters["rechecks"], what="the hint")
        return answer

    async with connected(neighbours_cookie):
        await eventually(joined)
        monkeypatch.setattr(access, "may_read", withdrawn_meanwhile)
        response = await client.get(f"/api/v1/streams/{stream}/sse")
        async with asyncio.timeout(TIMEOUT):
            received = [chunk async for chunk in response.streaming_content]

    assert response.status_code == 200
    assert received == [b"retry: 1000\n\n"]


async def test_right_lost_during_a_read_withholds_the_page(ada, team, client, monkeypatch):
    stream, read, the_hub = f"team-{team.pk}", backlog.read, hub.current()
    await append_events(stream, "secret")

    def withdrawn_meanwhile(*arguments):
        page = read(*arguments)
        ada.groups.remove(team)
        wait_until(lambda: the_hub.counters["rechecks"], what="the hint")
        return page

    response = await client.get(f"/api/v1/streams/{stream}/sse")
    received = response.streaming_content.__aiter__()
    await anext(received)
    await eventually(joined)
    monkeypatch.setattr(backlog, "read", withdrawn_meanwhile)
    async with asyncio.timeout(TIMEOUT):
        assert await anext(received, None) is None


async def test_abandoned_follower_is_forgotten(ada):
    """As the follower of a response over which nobody ever iterates."""
    follower = Follower(f"user-{ada.pk}", None, reader=ada.pk)
    follower.enter()
    assert len(hub.current().connections) == 1

    del follower
    gc.collect()

    assert not hub.current().connections
    await hub.current().sync_groups()


async def test_long_poll_ends_at_once_after_a_lost_right(ada, team, client):
    stream = f"team-{team.pk}"
    after = await in_thread(backlog.current_cursor, stream)
    waiting = asyncio.ensure_future(
        client.get(f"/api/v1/streams/{stream}", {"after": after, "wait": 25})
    )
    await eventually(lambda: joined() and stream in hub.current()._joined)

    await in_thread(leaves_the_team, ada, team, None)
    async with asyncio.timeout(TIMEOUT):
        response = await waiting

    assert response.json()["frames"] == []
    assert not hub.current().connections


# -- who may read --------------------------------------------------------------------------------


def test_streams_of_a_socket_are_checked_in_one_query_a_kind(ada, grace, django_assert_num_queries):
    ada.groups.set([*(Group.objects.create(name=f"crew {n}") for n in range(3))])
    teams = [access.team_stream(each.pk) for each in ada.groups.all()]
    own = [Export.objects.create(owner=ada, exporter="flights").stream for _ in range(3)]
    foreign = Export.objects.create(owner=grace, exporter="flights").stream
    ada.has_perm("exports.view_export")  # Django's own questions, kept on the user.

    with django_assert_num_queries(2):
        readable = access.readable(
            ada, [f"user-{ada.pk}", *teams, *own, foreign, "export-none", "team-07", "nonsense"]
        )

    assert readable == {f"user-{ada.pk}", *teams, *own}


def test_rule_cannot_open_streams_beyond_the_request(ada, monkeypatch):
    monkeypatch.setattr(access, "_rules", {"order": lambda user, rests: ["1", "2"]})

    assert access.readable(ada, ["order-2", "order-3"]) == {"order-2"}


@pytest.mark.proves("forbidden-streams-look-missing")
@pytest.mark.parametrize(
    "name",
    [
        "user-{grace}",
        "user-999999",
        "user-0{ada}",
        "user-",
        "team-{team}",
        "team-999999",
        "team-",
        "export-{export}",
        f"export-{UNKNOWN}",
        "export-",
        "nonsense",
        push.RECHECK_GROUP,
        "waybill.v1-1",
    ],
)
async def test_forbidden_stream_looks_like_a_missing_one(*, ada, grace, team, cookie, client, name):
    await in_thread(ada.groups.clear)
    export = await in_thread(Export.objects.create, owner=grace, exporter="flights")
    stream = name.format(ada=ada.pk, grace=grace.pk, team=team.pk, export=export.pk)
    if "{" in name:
        await append_events(stream, "secret")
    existed = await in_thread(Stream.objects.filter(name=stream).exists)

    async with connected(cookie) as socket:
        await socket.send("subscribe", streams={stream: None, f"user-{ada.pk}": None})
        over_socket = await socket.next()
        another = await socket.next()
    polled = await client.get(f"/api/v1/streams/{stream}")
    followed_ = await client.get(f"/api/v1/streams/{stream}/sse")

    assert over_socket == {
        "type": "error",
        "code": "forbidden",
        "detail": "You may not read this stream.",
        "stream": stream,
    }
    assert another["type"] == "subscribed"
    for response in (polled, followed_):
        assert response.status_code == 404
        assert response.json() == {
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": "There is no stream with this name, or you do not have access to it.",
        }
    assert await in_thread(Stream.objects.filter(name=stream).exists) == existed
