"""Who is let in, and what the first frame says."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group

from notifications.api import tokens
from tests.support.streaming import HOST, Socket, connected, headers, in_thread
from tests.support.trail import ADDRESS, AGENT, entries, only, people, source

pytestmark = pytest.mark.django_db(transaction=True)


async def test_session_from_an_allowed_page_is_welcomed(user, cookie, settings):
    settings.NOTIFICATIONS_WINDOW = 7
    settings.NOTIFICATIONS_HEARTBEAT_SECONDS = 20.0
    group = await in_thread(Group.objects.create, name="pilots")
    await in_thread(user.groups.add, group)

    socket = Socket(headers(cookie=cookie))
    assert await socket.shake_hands() == (True, "waybill.v1")

    assert await socket.next() == {
        "type": "welcome",
        "protocol": 1,
        "user": user.pk,
        "streams": [f"user-{user.pk}", f"team-{group.pk}"],
        "window": 7,
        "heartbeat": 20.0,
    }
    await socket.disconnect()


async def test_bearer_token_without_an_origin_is_accepted(user):
    token = await in_thread(tokens.create, user)

    async with connected(token=token, origin=None) as socket:
        assert socket.frames[0]["user"] == user.pk


@pytest.mark.parametrize(
    "changes",
    [
        {"cookie": ""},
        {"cookie": "nobodys"},
        {"origin": "http://evil.example"},
        {"origin": f"http://{HOST}:9"},
        {"origin": "null"},
        {"origin": "http://[::1"},
        {"origin": None},
        {"token": "waybill_wrong", "origin": None},
    ],
    ids=str,
)
async def test_invalid_handshake_is_refused(cookie, changes):
    socket = Socket(headers(**{"cookie": cookie, **changes}))

    accepted, _ = await socket.shake_hands()

    assert not accepted
    await socket.disconnect()


async def test_refused_token_is_in_the_audit_trail(user):
    sent = [(b"user-agent", AGENT.encode()), (b"x-forwarded-for", ADDRESS.encode())]
    socket = Socket([*headers(token="waybill_wrong", origin=None), *sent])

    accepted, _ = await socket.shake_hands()
    assert not accepted
    await socket.disconnect()

    entry = await in_thread(only, "token_refused")
    assert (people(entry), source(entry)) == (("", ""), ("socket", ADDRESS, AGENT))
    assert "waybill_wrong" not in str(vars(entry))


@pytest.mark.parametrize("header", [b"Bearer", b"Bearer ", b"bearer x"])
async def test_missing_or_unknown_token_is_refused_beside_a_session(cookie, header):
    socket = Socket([*headers(cookie=cookie), (b"authorization", header)])

    accepted, _ = await socket.shake_hands()

    assert not accepted
    await socket.disconnect()
    assert await in_thread(only, "token_refused")


async def test_handshake_without_a_token_is_not_in_the_audit_trail():
    for cookie in ("", "nobodys"):
        socket = Socket(headers(cookie=cookie))
        await socket.shake_hands()
        await socket.disconnect()

    assert await in_thread(entries, "token_refused") == []


@pytest.mark.parametrize("offered", [[], ["waybill.v2"], ["graphql-ws", "Waybill.V1"]])
async def test_unknown_subprotocol_is_refused(cookie, offered):
    socket = Socket(headers(cookie=cookie), offered)

    accepted, _ = await socket.shake_hands()

    assert not accepted
    await socket.disconnect()


async def test_known_subprotocol_is_chosen(cookie):
    socket = Socket(headers(cookie=cookie), ["waybill.v2", "waybill.v1"])

    assert await socket.shake_hands() == (True, "waybill.v1")
    await socket.disconnect()
