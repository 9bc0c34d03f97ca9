"""Who may read a stream, and how soon somebody is cut off who no longer may.

The check of each minute is out of reach here: what cuts off does so because Django told us.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from contextlib import AsyncExitStack

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.backends.db import SessionStore
from django.db import OperationalError, transaction
from django.test import AsyncClient, Client
from django.urls import reverse

from exports.models import Export
from notifications.api import tokens
from notifications.delivery import consumer, handshake, hub, recheck, rights_signals
from notifications.delivery.follower import Follower
from notifications.models import Stream, Token
from notifications.streams import access, backlog, push, signed
from notifications.streams.push import RightsChanged
from tests.support.streaming import (
    TIMEOUT,
    Socket,
    append,
    connected,
    eventually,
    headers,
    in_thread,
    session_of,
)
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

UNKNOWN = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(autouse=True)
def _quiet(quiet_streams):
    """All tests here begin quiet; some ask for sweeps or heartbeats."""


@pytest.fixture
def view_export():
    return Permission.objects.get(content_type__app_label="exports", codename="view_export")


@pytest.fixture
def team(view_export):
    """Pilots, who may view all exports."""
    team = Group.objects.create(name="pilots")
    team.permissions.add(view_export)
    return team


@pytest.fixture
def ada(team):
    """Somebody with every right that can be taken."""
    ada = User.objects.create_user("ada", password="correct horse")
    ada.groups.add(team)
    return ada


@pytest.fixture
def grace(team):
    """A neighbour, with the same rights."""
    grace = User.objects.create_user("grace")
    grace.groups.add(team)
    return grace


@pytest.fixture
def browser(ada):
    browser = Client()
    browser.force_login(ada)
    return browser


@pytest.fixture
def cookie(browser):
    return browser.cookies["sessionid"].value


def joined():
    """Whether hints from other processes reach this one."""
    return push.RECHECK_GROUP in hub.current()._joined


async def say(stream, *events):
    await in_thread(append, stream, *events)


async def followed(socket, *streams):
    for stream in streams:
        answer = await socket.subscribe({stream: None})
        assert answer["type"] == "subscribed", answer
    await eventually(joined)


async def nothing_more_came(socket):
    """Since the close. To be asked when a neighbour has what this socket must not get."""
    # When the client has gone, all that was to be sent to it has been.
    await socket.disconnect()
    assert socket.communicator.output_queue.empty()


def kinds(socket):
    return [each.get("event") or each.get("code") or each["type"] for each in socket.frames]


# -- cut off: the connection ---------------------------------------------------------------------


def signs_out(ada, browser):
    assert browser.post(reverse("logout")).status_code == 302


def is_deactivated(ada, browser):
    ada.is_active = False
    ada.save()


def gets_another_password(ada, browser):
    ada.set_password("battery staple")
    ada.save(update_fields=["password"])


def is_deleted(ada, browser):
    ada.delete()


def is_deactivated_among_many(ada, browser):
    others = User.objects.bulk_create(User(username=f"user {n}") for n in range(120))
    with transaction.atomic():
        for each in [*others, ada]:
            each.is_active = False
            each.save()


@pytest.mark.parametrize(
    "change",
    [signs_out, is_deactivated, gets_another_password, is_deleted, is_deactivated_among_many],
    ids=lambda change: change.__name__,
)
async def test_who_may_not_stay_is_cut_off_at_once(*, ada, grace, team, browser, cookie, change):
    stream = f"team-{team.pk}"
    neighbours_cookie = await in_thread(session_of, grace)

    async with connected(cookie) as socket, connected(neighbours_cookie) as neighbour:
        await followed(socket, stream)
        await followed(neighbour, stream)
        await in_thread(change, ada, browser)

        assert await socket.close_code() == 4401

        await say(stream, "later")
        assert await neighbour.events_until("later") == ["later"]
        assert kinds(neighbour) == ["welcome", "subscribed", "later"]
        await nothing_more_came(socket)


async def test_a_program_whose_token_is_revoked_is_cut_off_at_once_and_no_other(ada, team):
    stream = f"team-{team.pk}"
    revoked, valid = [await in_thread(tokens.create, ada, note) for note in ("old", "new")]

    async with (
        connected(token=revoked, origin=None) as socket,
        connected(token=valid, origin=None) as neighbour,
    ):
        await followed(socket, stream)
        await followed(neighbour, stream)
        await in_thread(Token.objects.filter(note="old").delete)

        assert await socket.close_code() == 4401

        await say(stream, "later")
        assert await neighbour.events_until("later") == ["later"]
        await nothing_more_came(socket)


@pytest.mark.parametrize("change", ["password", "is_active"])
async def test_a_program_is_cut_off_at_once_when_its_user_may_not_stay(ada, team, change):
    token = await in_thread(tokens.create, ada)
    if change == "password":
        ada.set_password("another")
    else:
        ada.is_active = False

    async with connected(token=token, origin=None) as socket:
        await followed(socket, f"team-{team.pk}")
        await in_thread(ada.save)

        assert await socket.close_code() == 4401


async def test_who_signs_out_is_cut_off_though_the_session_is_deleted_late(
    ada, browser, cookie, monkeypatch
):
    """Django tells of a sign-out just before it deletes the session."""
    authenticate, flush, asked = handshake.authenticate, SessionStore.flush, []
    was_flushed = threading.Event()

    def note(scope):
        # The second question is put after a time. However long the deletion takes, here it
        # finds what is true by then.
        if asked:
            assert was_flushed.wait(60)
        user = authenticate(scope)
        asked.append(user)
        return user

    def flush_late(session):
        wait_until(lambda: asked, what="the first question")
        flush(session)
        was_flushed.set()

    async with connected(cookie) as socket:
        await followed(socket, f"user-{ada.pk}")
        monkeypatch.setattr(consumer.handshake, "authenticate", note)
        monkeypatch.setattr(SessionStore, "flush", flush_late)
        await in_thread(signs_out, ada, browser)

        assert await socket.close_code() == 4401
    assert asked == [ada, None]


async def test_who_signs_out_in_one_browser_stays_in_another(ada, browser, cookie, team):
    others_cookie = await in_thread(session_of, ada)

    async with connected(cookie) as socket, connected(others_cookie) as other:
        await followed(socket, f"user-{ada.pk}")
        await followed(other, f"user-{ada.pk}")
        await in_thread(signs_out, ada, browser)

        assert await socket.close_code() == 4401
        await say(f"user-{ada.pk}", "later")
        assert await other.events_until("later") == ["later"]


# -- cut off: a stream ---------------------------------------------------------------------------


def permission_of_their_own_is_withdrawn(ada, team, view_export):
    ada.user_permissions.remove(view_export)


def leaves_the_team(ada, team, view_export):
    ada.groups.remove(team)


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
async def test_who_may_not_read_a_stream_any_more_loses_only_that_at_once(
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
            await say(stream, "later")
        while not any(each.get("event") and each["stream"] == own for each in socket.frames):
            await socket.next()

        # Whose export it is may read on, whatever team they were in.
        assert await neighbour.events_until("later") == ["later"]
    forbidden = {each["stream"] for each in socket.frames if each.get("code") == "forbidden"}
    delivered = {each["stream"] for each in socket.frames if each.get("event") == "later"}
    assert forbidden == {streams[kind] for kind in lost}
    assert not forbidden & delivered
    assert "forbidden" not in kinds(neighbour)


async def test_a_right_that_is_given_counts_at_once(ada, grace, team, view_export, cookie):
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


async def test_what_is_granted_while_rights_change_is_asked_about_again(
    ada, team, cookie, monkeypatch
):
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


async def test_a_change_during_the_handshake_is_not_missed(ada, grace, cookie, monkeypatch):
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


async def test_a_question_that_cannot_be_asked_is_asked_again(ada, browser, cookie, monkeypatch):
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


async def test_a_question_that_hangs_holds_up_no_heartbeat(ada, settings, cookie, monkeypatch):
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


async def test_who_is_named_does_not_wait_for_the_crowd(ada, grace, cookie, monkeypatch):
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


# -- the hint --------------------------------------------------------------------------------------


async def asked_nobody(socket, stream):
    """What was told before this event would have come before it."""
    await say(stream, "said")
    await socket.events_until("said")
    return hub.current().counters["rechecks"] == 0


async def test_what_does_not_change_rights_asks_nobody(ada, cookie):
    def live():
        session_of(ada)  # A sign-in, which saves when it was.
        ada.first_name = "Augusta"
        ada.save(update_fields=["first_name", "last_name"])
        User.objects.create_user("new")

    async with connected(cookie) as socket:
        await followed(socket, f"user-{ada.pk}")
        await in_thread(live)

        assert await asked_nobody(socket, f"user-{ada.pk}")


async def test_a_change_that_is_rolled_back_asks_nobody(ada, cookie):
    def change_mind():
        with transaction.atomic():
            ada.save()
            Group.objects.all().delete()
            transaction.set_rollback(True)

    async with connected(cookie) as socket:
        await followed(socket, f"user-{ada.pk}")
        await in_thread(change_mind)

        assert await asked_nobody(socket, f"user-{ada.pk}")


async def test_all_changes_of_a_transaction_are_one_hint(ada, grace, cookie):
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
def test_a_hint_is_small(changes, users, again):
    message = push.recheck_message(changes)[push.RECHECK_GROUP]

    named = message["users"]
    assert message["again"] == again
    assert (len(named) if isinstance(users, int) else named) == users


def test_without_valkey_a_change_is_made_and_waits_for_nobody(ada, valkey):
    valkey.kill()
    failed, skipped = push.counters["failed"], push.counters["skipped"]

    for _ in range(3):
        ada.save()

    assert push.counters["failed"] - failed == 1
    assert push.counters["skipped"] - skipped == 2


async def test_a_hint_that_is_lost_leaves_it_to_the_check_of_each_minute(
    *, ada, team, cookie, valkey, monkeypatch
):
    monkeypatch.setattr(recheck, "RECHECK_SECONDS", 0.02)
    valkey.kill()

    async with connected(cookie) as socket:
        await socket.subscribe({f"team-{team.pk}": None})
        await in_thread(is_deactivated, ada, None)

        assert await socket.close_code() == 4401


async def test_a_hint_that_makes_no_sense_is_dropped(ada, cookie):
    async with connected(cookie) as socket:
        await followed(socket, f"user-{ada.pk}")
        for message in ({"users": 7, "again": False}, {"users": []}):
            await hub.current()._layer.group_send(
                push.RECHECK_GROUP, signed.sign({"type": push.RECHECK, **message})
            )
        await say(f"user-{ada.pk}", "later")

        assert await socket.events_until("later") == ["later"]
        assert hub.current().counters["poison"] == 2


async def test_when_everybody_is_asked_for_there_is_room_for_who_reads(
    ada, grace, team, cookie, monkeypatch
):
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
    await say(f"team-{team.pk}", "read from the table")
    await sockets[-1].subscribe({f"team-{team.pk}": None})
    await sockets[-1].events_until("read from the table")
    assert len(asked) == hub.RECHECKS

    may_go_on.set()
    await eventually(lambda: len(asked) == len(sockets))
    for socket in sockets:
        await socket.disconnect()


async def test_nothing_is_left_of_who_was_there(ada, cookie, valkey):
    async with connected(cookie):
        await eventually(joined)

    assert not hub.current().connections
    with valkey.client() as client:
        assert client.pubsub_channels() == []


# -- without a socket ------------------------------------------------------------------------------


@pytest.fixture
async def client(ada):
    client = AsyncClient()
    await client.aforce_login(ada)
    return client


async def test_a_stream_of_events_ends_at_once_to_be_asked_for_anew(ada, team, client):
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


async def test_a_right_that_is_withdrawn_just_after_the_question_ends_a_stream_of_events(
    ada, grace, team, client, monkeypatch
):
    stream, may_read, the_hub = f"team-{team.pk}", access.may_read, hub.current()
    neighbours_cookie = await in_thread(session_of, grace)
    await say(stream, "secret")

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


async def test_a_right_that_is_withdrawn_during_a_read_holds_the_page_back(
    ada, team, client, monkeypatch
):
    stream, read, the_hub = f"team-{team.pk}", backlog.read, hub.current()
    await say(stream, "secret")

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


async def test_who_never_says_that_they_go_is_forgotten(ada):
    """As the follower of a response over which nobody ever iterates."""
    follower = Follower(f"user-{ada.pk}", None, reader=ada.pk)
    follower.enter()
    assert len(hub.current().connections) == 1

    del follower
    gc.collect()

    assert not hub.current().connections
    await hub.current().sync_groups()


async def test_a_long_poll_ends_at_once_to_be_asked_for_anew(ada, team, client):
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


# -- who may read ----------------------------------------------------------------------------------


def test_all_streams_of_a_socket_are_asked_about_in_one_query_a_kind(
    ada, grace, django_assert_num_queries
):
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


def test_a_rule_that_returns_more_than_it_was_asked_for_opens_no_more(ada, monkeypatch):
    monkeypatch.setattr(access, "_rules", {"order": lambda user, rests: ["1", "2"]})

    assert access.readable(ada, ["order-2", "order-3"]) == {"order-2"}


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
async def test_a_stream_that_one_may_not_read_looks_like_one_that_is_not_there(
    *, ada, grace, team, cookie, client, name
):
    await in_thread(ada.groups.clear)
    export = await in_thread(Export.objects.create, owner=grace, exporter="flights")
    stream = name.format(ada=ada.pk, grace=grace.pk, team=team.pk, export=export.pk)
    if "{" in name:
        await say(stream, "secret")
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
            "detail": "There is no stream of this name for you.",
        }
    assert await in_thread(Stream.objects.filter(name=stream).exists) == existed
