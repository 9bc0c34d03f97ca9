"""The channel layer is down, or the database fails: the socket stays."""

from __future__ import annotations

import asyncio

import pytest
from django.db import OperationalError

from notifications.delivery import consumer, handshake, hub
from notifications.streams import access, backlog, push
from tests.support.consuming import messages
from tests.support.streaming import Socket, append_events, connected, headers, in_thread, retain

pytestmark = pytest.mark.django_db(transaction=True)


async def test_sweeps_deliver_everything_without_pushes(cookie, name, often_sweeps, unpushed):
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        for turn in range(3):
            await append_events(name, f"a{turn}", f"b{turn}")
            await in_thread(retain, name, "k", n=turn)

            assert await socket.events_until(f"b{turn}") == [f"a{turn}", f"b{turn}"]
        await append_events(name, "last")
        await socket.events_until("last")

    assert "k=2" in messages(socket)


async def test_stream_can_be_subscribed_while_valkey_is_down(cookie, name, often_sweeps, valkey):
    valkey.kill()
    await append_events(name, "before")

    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await socket.events_until("before")
        await append_events(name, "after")

        assert await socket.events_until("after") == ["after"]


async def test_socket_outlives_valkey(cookie, name, often_sweeps, valkey, monkeypatch):
    monkeypatch.setattr(push, "RETRY_AFTER", 0.0)
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await append_events(name, "pushed")
        await socket.events_until("pushed")

        valkey.kill()
        await append_events(name, "swept")
        assert await socket.events_until("swept") == ["swept"]

        valkey.start()
        received = hub.current().counters["received"]
        for turn in range(1000):
            await append_events(name, f"after {turn}")
            assert await socket.events_until(f"after {turn}") == [f"after {turn}"]
            if hub.current().counters["received"] > received:
                break
        assert hub.current().counters["received"] > received, "Pushes arrive again."


async def test_flush_of_valkey_loses_no_event(cookie, name, valkey):
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await append_events(name, "before")
        await socket.events_until("before")

        valkey.flush()
        await append_events(name, "after")

        assert await socket.events_until("after") == ["after"]


async def test_many_streams_are_subscribed_quickly_on_a_frozen_valkey(cookie, monkeypatch, valkey):
    monkeypatch.setattr(consumer.access, "readable", lambda user, streams: set(streams))
    valkey.freeze()

    async with connected(cookie) as socket, asyncio.timeout(hub.LAYER_TIMEOUT + 5):
        await socket.subscribe({f"user-{number}": None for number in range(30)})


# -- the database fails ----------------------------------------------------------------------------


async def test_read_that_fails_is_tried_again_and_the_socket_stays(cookie, name, monkeypatch):
    monkeypatch.setattr(consumer, "RETRY_SECONDS", 0.01)
    original = backlog.read
    failures = [OperationalError("gone"), OperationalError("still gone")]

    def read(*arguments):
        if failures:
            raise failures.pop()
        return original(*arguments)

    monkeypatch.setattr(backlog, "read", read)
    await append_events(name, "a")
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})

        assert await socket.events_until("a") == ["a"]


@pytest.mark.proves("postgres-crash-closes-no-socket")
@pytest.mark.parametrize("question", ["authenticate", "streams_of"])
async def test_handshake_during_a_database_outage_closes_with_4500(cookie, monkeypatch, question):
    """Refused, a browser would take it for the end of its session."""

    def fail(*_):
        raise OperationalError("gone")

    module = handshake if question == "authenticate" else access
    monkeypatch.setattr(module, question, fail)
    socket = Socket(headers(cookie=cookie))

    accepted, _ = await socket.shake_hands()

    assert accepted
    assert await socket.close_code() == 4500


async def test_subscription_during_a_database_outage_closes_with_4500(cookie, name, monkeypatch):
    def fail(*_):
        raise OperationalError("gone")

    async with connected(cookie) as socket:
        monkeypatch.setitem(access._rules, "user", fail)
        await socket.send("subscribe", streams={name: None})

        assert await socket.close_code() == 4500


async def test_failed_connection_is_closed_so_that_the_client_returns(
    cookie, name, monkeypatch, caplog
):
    def read(*arguments):
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(backlog, "read", read)
    async with connected(cookie) as socket:
        await socket.send("subscribe", streams={name: None})

        assert await socket.close_code() == 4500
    assert "a mistake of ours" in caplog.text
