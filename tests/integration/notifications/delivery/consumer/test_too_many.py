"""A user with too many connections: sockets, streams of events and long polls together."""

from __future__ import annotations

import asyncio
import gc
from contextlib import AsyncExitStack

import pytest
from django.test import AsyncClient

from notifications.api import tokens
from notifications.delivery import descriptors, handshake, http_streams, hub
from tests.support.streaming import Socket, connected, eventually, headers, in_thread, session_of

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT = 2


@pytest.fixture(autouse=True)
def _limit(settings, monkeypatch):
    settings.NOTIFICATIONS_MAX_CONNECTIONS = LIMIT


@pytest.fixture
def client(user):
    client = AsyncClient()
    client.force_login(user)
    return client


async def refused(cookie):
    """The close code and the reason of a socket that is accepted and closed at once."""
    socket = Socket(headers(cookie=cookie))
    is_accepted, subprotocol = await socket.shake_hands()
    assert (is_accepted, subprotocol) == (True, "waybill.v1")
    closed = await socket.communicator.receive_output(5)
    assert closed["type"] == "websocket.close"
    await socket.disconnect()
    return closed["code"], closed["reason"]


@pytest.mark.proves("connections-per-user-limited")
async def test_socket_beyond_the_limit_is_closed_with_1013(cookie, user, django_user_model):
    other = await in_thread(lambda: session_of(django_user_model.objects.create_user("bob")))
    async with AsyncExitStack() as stack:
        for _ in range(LIMIT):
            await stack.enter_async_context(connected(cookie))

        reason = "You have reached the limit of 2 open connections."
        assert await refused(cookie) == (1013, reason)
        assert await refused(await in_thread(session_of, user)) == (1013, reason)
        async with connected(other):
            pass

    async with connected(cookie):
        assert len(hub.current().connections) == 1


@pytest.mark.proves("connections-per-user-limited")
async def test_refused_socket_costs_no_database_work(cookie, monkeypatch):
    calls = []
    monkeypatch.setattr(
        handshake,
        "authenticate",
        lambda scope, real=handshake.authenticate: calls.append(1) or real(scope),
    )
    async with connected(cookie), connected(cookie):
        assert len(calls) == LIMIT

        for _ in range(5):
            assert (await refused(cookie))[0] == 1013

        assert len(calls) == LIMIT


async def test_password_of_a_proxy_is_not_the_users(cookie, django_user_model):
    """Whoever passes the proxy sends the same one."""
    other = await in_thread(lambda: session_of(django_user_model.objects.create_user("bob")))
    basic = (b"authorization", b"Basic cHJveHk6cGFzc3dvcmQ=")

    async with AsyncExitStack() as stack:
        for each in (cookie, cookie, other):
            socket = Socket([*headers(cookie=each), basic])
            assert (await socket.shake_hands())[0]
            stack.push_async_callback(socket.disconnect)
            assert (await socket.next())["type"] == "welcome"


@pytest.mark.parametrize("held", ["/sse", "?wait=1"])
async def test_refused_request_costs_no_database_work(cookie, name, monkeypatch, held):
    url = f"/api/v1/streams/{name}{held}"
    browser = AsyncClient()
    browser.cookies["sessionid"] = cookie
    async with connected(cookie), connected(cookie):
        monkeypatch.setattr(http_streams, "in_database", None)

        assert (await browser.get(url)).status_code == 429


async def test_token_is_known_from_an_earlier_request(user, cookie, name, monkeypatch):
    token = await in_thread(tokens.create, user)
    program, shown = AsyncClient(), {"Authorization": f"Bearer {token}"}
    assert (await program.get(f"/api/v1/streams/{name}", headers=shown)).status_code == 200
    async with connected(cookie), connected(cookie):
        monkeypatch.setattr(http_streams, "in_database", None)

        url = f"/api/v1/streams/{name}/sse"
        assert (await program.get(url, headers=shown)).status_code == 429


@pytest.mark.proves("connections-per-user-limited")
async def test_long_polls_and_event_streams_count_as_connections(client, cookie, name):
    url = f"/api/v1/streams/{name}"
    async with connected(cookie):
        poll = asyncio.create_task(client.get(url, {"wait": 20, "after": "latest"}))
        await eventually(lambda: len(hub.current().connections) == LIMIT, "the poll waits")

        for refusal in [
            await client.get(url, {"wait": 1}),
            await client.get(f"{url}/sse"),
        ]:
            assert refusal.status_code == 429
            assert refusal["Retry-After"] == "10"
            assert refusal["Content-Type"] == "application/problem+json"
            assert "limit of 2 open connections" in refusal.json()["detail"]
        assert (await refused(cookie))[0] == 1013
        assert (await client.get(url)).status_code == 200

        poll.cancel()
        await asyncio.gather(poll, return_exceptions=True)
        streamed = await client.get(f"{url}/sse")
        assert streamed.status_code == 200
        assert (await client.get(f"{url}/sse")).status_code == 429
    # Never iterated over: it counts until it is forgotten.
    del streamed
    gc.collect()
    await eventually(lambda: len(hub.current().connections) == 0, "all are gone")


async def test_full_process_refuses_new_connections(client, cookie, name, monkeypatch):
    monkeypatch.setattr(descriptors, "left", lambda: descriptors.reserve() - 1)

    refusal = await client.get(f"/api/v1/streams/{name}/sse")

    assert (refusal.status_code, refusal["Retry-After"]) == (503, "10")
    assert await refused(cookie) == (1013, "This server cannot accept more connections right now.")
    assert (await client.get(f"/api/v1/streams/{name}")).status_code == 200
    await eventually(lambda: len(hub.current().connections) == 0, "nobody is left")


async def test_overloaded_process_refuses_sockets_before_the_handshake(cookie, monkeypatch):
    monkeypatch.setattr(descriptors, "left", lambda: descriptors.reserve() // 2 - 1)

    is_accepted, _ = await Socket(headers(cookie=cookie)).shake_hands()

    assert not is_accepted
