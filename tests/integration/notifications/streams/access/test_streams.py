"""A stream ends at once for a user who may not read it any more."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack

import pytest
from django.db import OperationalError

from exports.models import Export
from notifications.delivery import consumer, handshake, hub, recheck, rights_signals
from tests.support.stream_access import followed, is_deactivated, joined, kinds, leaves_the_team
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


def permission_of_their_own_is_withdrawn(ada, team, view_export):
    ada.user_permissions.remove(view_export)


def is_removed_from_the_team(ada, team, view_export):
    team.user_set.remove(ada)


def leaves_all_teams(ada, team, view_export):
    ada.groups.clear()


def all_are_removed_from_the_team(ada, team, view_export):
    team.user_set.clear()


def the_team_is_deleted(ada, team, view_export):
    team.delete()


def the_team_loses_the_permission(ada, team, view_export):
    team.permissions.remove(view_export)


@pytest.mark.proves("lost-rights-end-streams")
@pytest.mark.parametrize(
    ("change", "lost"),
    [
        (permission_of_their_own_is_withdrawn, {"export"}),
        (leaves_the_team, {"team", "export"}),
        (is_removed_from_the_team, {"team", "export"}),
        (leaves_all_teams, {"team", "export"}),
        (all_are_removed_from_the_team, {"team", "export"}),
        (the_team_is_deleted, {"team", "export"}),
        (the_team_loses_the_permission, {"export"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_user_without_a_right_loses_only_that_stream_at_once(
    *, ada, grace, team, view_export, cookie, change, lost
):
    if change is permission_of_their_own_is_withdrawn:
        await in_thread(ada.user_permissions.add, view_export)
        await in_thread(team.permissions.clear)
    export = await in_thread(Export.objects.create, owner=grace, exporter="flights")
    own, streams = f"user-{ada.pk}", {"team": f"team-{team.pk}", "export": export.stream}
    neighbours_cookie = await in_thread(session_of, grace)

    async with connected(cookie) as socket, connected(neighbours_cookie) as neighbour:
        await followed(socket, own, *streams.values())
        await followed(neighbour, export.stream)
        await in_thread(change, ada, team, view_export)

        while len([kind for kind in kinds(socket) if kind == "forbidden"]) < len(lost):
            await socket.next()
        for stream in (*streams.values(), own):
            await append_events(stream, "later")
        while not any(each.get("event") and each["stream"] == own for each in socket.frames):
            await socket.next()

        # Whose export it is may read on, whatever team they were in.
        assert await neighbour.events_until("later") == ["later"]
    forbidden = {each["stream"] for each in socket.frames if each.get("code") == "forbidden"}
    delivered = {each["stream"] for each in socket.frames if each.get("event") == "later"}
    assert forbidden == {streams[kind] for kind in lost}
    assert not forbidden & delivered
    assert "forbidden" not in kinds(neighbour)


async def test_granted_right_takes_effect_at_once(ada, grace, team, view_export, cookie):
    """Django remembers a user's permissions; who asks in vain would have to wait a minute."""
    await in_thread(team.permissions.clear)
    export = await in_thread(Export.objects.create, owner=grace, exporter="flights")

    async with connected(cookie) as socket:
        answer = await socket.subscribe({export.stream: None})
        assert answer["code"] == "forbidden"
        await eventually(joined)
        await in_thread(ada.user_permissions.add, view_export)

        async with asyncio.timeout(TIMEOUT):
            while answer["type"] != "subscribed":
                answer = await socket.subscribe({export.stream: None})
                await asyncio.sleep(0.2)  # The rate of names is limited.


async def test_subscription_granted_during_a_change_is_rechecked(ada, team, cookie, monkeypatch):
    """Permission was given before the change, the subscription is made after it."""
    stream = f"team-{team.pk}"
    original, granted, may_go_on = hub.Hub.follow, asyncio.Event(), asyncio.Event()
    authenticate, order = handshake.authenticate, []

    async def follow(the_hub, name, subscriber):
        granted.set()
        await may_go_on.wait()
        await original(the_hub, name, subscriber)
        order.append("subscribed")

    def note(scope):
        order.append("asked")
        return authenticate(scope)

    async with connected(cookie) as socket:
        await eventually(joined)
        monkeypatch.setattr(hub.Hub, "follow", follow)
        monkeypatch.setattr(consumer.handshake, "authenticate", note)
        await socket.send("subscribe", streams={stream: None})
        await granted.wait()
        await in_thread(ada.groups.clear)
        await eventually(lambda: order)
        may_go_on.set()

        await socket.until(lambda frame: frame.get("code") == "forbidden")
    assert order == ["asked", "subscribed", "asked"]


@pytest.mark.proves("lost-rights-end-streams")
async def test_change_during_the_handshake_is_not_missed(ada, grace, cookie, monkeypatch):
    authenticate, loop, the_hub = handshake.authenticate, asyncio.get_running_loop(), hub.current()
    neighbours_cookie = await in_thread(session_of, grace)
    asked = []

    def changed_meanwhile(scope):
        user = authenticate(scope)
        asked.append(user)
        if len(asked) == 1:
            asyncio.run_coroutine_threadsafe(in_thread(is_deactivated, ada, None), loop).result(60)
            wait_until(lambda: the_hub.counters["rechecks"], what="the hint")
        return user

    async with connected(neighbours_cookie):
        await eventually(joined)
        monkeypatch.setattr(consumer.handshake, "authenticate", changed_meanwhile)
        async with connected(cookie) as socket:
            assert await socket.close_code() == 4401


@pytest.mark.proves("lost-rights-end-streams")
async def test_failed_recheck_is_repeated(ada, browser, cookie, monkeypatch):
    """Pushes go on without a database, so the doubt must not be forgotten for a minute."""
    authenticate, asked = handshake.authenticate, []

    def fail_at_first(scope):
        asked.append(scope)
        if len(asked) <= 2:
            raise OperationalError("gone")
        return authenticate(scope)

    monkeypatch.setattr(recheck, "RETRY_SECONDS", 0.01)
    async with connected(cookie) as socket:
        await eventually(joined)
        monkeypatch.setattr(consumer.handshake, "authenticate", fail_at_first)
        await in_thread(is_deactivated, ada, browser)

        assert await socket.close_code() == 4401
    assert len(asked) == 3


async def test_hanging_recheck_delays_no_heartbeat(ada, settings, cookie, monkeypatch):
    settings.NOTIFICATIONS_HEARTBEAT_SECONDS = 0.05
    loop, may_go_on, asked = asyncio.get_running_loop(), asyncio.Event(), []

    def hang(scope):
        asked.append(scope)
        asyncio.run_coroutine_threadsafe(may_go_on.wait(), loop).result(60)

    async with connected(cookie) as socket:
        await eventually(joined)
        monkeypatch.setattr(consumer.handshake, "authenticate", hang)
        await in_thread(ada.save)
        await in_thread(rights_signals.recheck_all)
        await eventually(lambda: len(asked) == 2)
        while not socket.communicator.output_queue.empty():
            socket.communicator.output_queue.get_nowait()

        for _ in range(5):
            frame = await socket.communicator.receive_json_from(30)
            assert frame["type"] == "heartbeat"
        may_go_on.set()
        assert await socket.close_code() == 4401


@pytest.mark.proves("lost-rights-end-streams")
async def test_named_user_is_rechecked_before_a_recheck_of_all(ada, grace, cookie, monkeypatch):
    loop, may_go_on, asked = asyncio.get_running_loop(), asyncio.Event(), []
    authenticate, lock = handshake.authenticate, threading.Lock()
    neighbours_cookie = await in_thread(session_of, grace)

    def hang_at_first(scope):
        with lock:
            asked.append(scope)
            is_of_the_crowd = len(asked) <= hub.RECHECKS
        if is_of_the_crowd:
            asyncio.run_coroutine_threadsafe(may_go_on.wait(), loop).result(60)
        return authenticate(scope)

    async with AsyncExitStack() as stack:
        for _ in range(hub.RECHECKS):
            await stack.enter_async_context(connected(neighbours_cookie))
        socket = await stack.enter_async_context(connected(cookie))
        await eventually(joined)
        monkeypatch.setattr(consumer.handshake, "authenticate", hang_at_first)
        await in_thread(rights_signals.recheck_all)
        await eventually(lambda: len(asked) == hub.RECHECKS)
        await in_thread(is_deactivated, ada, None)

        assert await socket.close_code() == 4401
        may_go_on.set()
