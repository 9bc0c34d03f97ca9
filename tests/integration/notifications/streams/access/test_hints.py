"""The hint that rights have changed: who is rechecked, and what a lost one costs."""

from __future__ import annotations

import asyncio
import threading

import pytest
from django.contrib.auth.models import Group, User
from django.db import transaction

from notifications.delivery import consumer, handshake, hub, recheck, rights_signals
from notifications.streams import push, signed
from notifications.streams.push import RightsChanged
from tests.support.stream_access import followed, is_deactivated, joined
from tests.support.streaming import (
    Socket,
    append_events,
    connected,
    eventually,
    headers,
    in_thread,
    session_of,
)

pytestmark = pytest.mark.django_db(transaction=True)


async def asked_nobody(socket, stream):
    """What was told before this event would have come before it."""
    await append_events(stream, "said")
    await socket.events_until("said")
    return hub.current().counters["rechecks"] == 0


async def test_change_without_effect_on_rights_triggers_no_recheck(ada, cookie):
    def live():
        session_of(ada)  # A sign-in, which saves when it was.
        ada.first_name = "Augusta"
        ada.save(update_fields=["first_name", "last_name"])
        User.objects.create_user("new")

    async with connected(cookie) as socket:
        await followed(socket, f"user-{ada.pk}")
        await in_thread(live)

        assert await asked_nobody(socket, f"user-{ada.pk}")


async def test_rolled_back_change_triggers_no_recheck(ada, cookie):
    def change_mind():
        with transaction.atomic():
            ada.save()
            Group.objects.all().delete()
            transaction.set_rollback(True)

    async with connected(cookie) as socket:
        await followed(socket, f"user-{ada.pk}")
        await in_thread(change_mind)

        assert await asked_nobody(socket, f"user-{ada.pk}")


async def test_changes_of_a_transaction_are_one_hint(ada, grace, cookie):
    def change():
        with transaction.atomic():
            ada.groups.clear()
            ada.save()
            grace.save()
            with transaction.atomic():
                grace.groups.clear()

    async with connected(cookie) as socket:
        await followed(socket, f"user-{ada.pk}")
        sent = push.counters["sent"]
        await in_thread(change)

        # What was written inside a savepoint is a hint of its own, as with events.
        assert push.counters["sent"] - sent == 2


@pytest.mark.parametrize(
    ("changes", "users", "again"),
    [
        ([RightsChanged("1")], ["1"], False),
        (
            [RightsChanged("2"), RightsChanged("1"), RightsChanged("2", again=True)],
            ["1", "2"],
            True,
        ),
        ([RightsChanged("1"), RightsChanged(None)], None, False),
        ([RightsChanged(str(pk)) for pk in range(push.MAX_USERS)], push.MAX_USERS, False),
        ([RightsChanged(str(pk)) for pk in range(push.MAX_USERS + 1)], None, False),
    ],
    ids=["one", "two", "everybody", "many", "too many"],
)
def test_hint_names_few_users_or_none(changes, users, again):
    message = push.recheck_message(changes)[push.RECHECK_GROUP]

    named = message["users"]
    assert message["again"] == again
    assert (len(named) if isinstance(users, int) else named) == users


def test_change_of_rights_does_not_wait_for_valkey(ada, valkey):
    valkey.kill()
    failed, skipped = push.counters["failed"], push.counters["skipped"]

    for _ in range(3):
        ada.save()

    assert push.counters["failed"] - failed == 1
    assert push.counters["skipped"] - skipped == 2


@pytest.mark.proves("lost-rights-end-streams")
async def test_lost_hint_is_covered_by_the_check_of_each_minute(
    *, ada, team, cookie, valkey, monkeypatch
):
    monkeypatch.setattr(recheck, "RECHECK_SECONDS", 0.02)
    valkey.kill()

    async with connected(cookie) as socket:
        await socket.subscribe({f"team-{team.pk}": None})
        await in_thread(is_deactivated, ada, None)

        assert await socket.close_code() == 4401


async def test_malformed_hint_is_dropped(ada, cookie):
    async with connected(cookie) as socket:
        await followed(socket, f"user-{ada.pk}")
        for message in ({"users": 7, "again": False}, {"users": []}):
            await hub.current()._layer.group_send(
                push.RECHECK_GROUP, signed.sign({"type": push.RECHECK, **message})
            )
        await append_events(f"user-{ada.pk}", "later")

        assert await socket.events_until("later") == ["later"]
        assert hub.current().counters["poison"] == 2


async def test_recheck_of_all_users_leaves_threads_for_reads(ada, grace, team, cookie, monkeypatch):
    loop, may_go_on = asyncio.get_running_loop(), asyncio.Event()
    original, lock, asked = handshake.authenticate, threading.Lock(), []

    def authenticate(scope):
        with lock:
            asked.append(scope)
        asyncio.run_coroutine_threadsafe(may_go_on.wait(), loop).result(60)
        return original(scope)

    sockets = [Socket(headers(cookie=cookie)) for _ in range(8)]
    for socket in sockets:
        await socket.shake_hands()
        await socket.next()
    await eventually(joined)
    monkeypatch.setattr(consumer.handshake, "authenticate", authenticate)
    await in_thread(rights_signals.recheck_all)
    await eventually(lambda: len(asked) == hub.RECHECKS)

    # Those who are asked for now hold up two threads. The others are free.
    await append_events(f"team-{team.pk}", "read from the table")
    await sockets[-1].subscribe({f"team-{team.pk}": None})
    await sockets[-1].events_until("read from the table")
    assert len(asked) == hub.RECHECKS

    may_go_on.set()
    await eventually(lambda: len(asked) == len(sockets))
    for socket in sockets:
        await socket.disconnect()


async def test_closed_connection_leaves_nothing_behind(ada, cookie, valkey):
    async with connected(cookie):
        await eventually(joined)

    assert not hub.current().connections
    with valkey.client() as client:
        assert client.pubsub_channels() == []
