"""A socket and its streams: the handshake, catching up, going on live, and the end."""

from __future__ import annotations

import asyncio
import json

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.db import OperationalError, transaction

from notifications import (
    access,
    backlog,
    consumers,
    handshake,
    hub,
    limits,
    protocol,
    publish,
    push,
    rights,
    tokens,
)
from notifications.models import Stream
from tests.streaming import (
    HOST,
    Socket,
    append,
    connected,
    eventually,
    headers,
    in_thread,
    retain,
    session_of,
    tasks_of_streams,
)

pytestmark = pytest.mark.django_db(transaction=True)

SELDOM, OFTEN = 3600.0, 0.05


@pytest.fixture(autouse=True)
def _quiet(settings, monkeypatch):
    """No sweep, no heartbeat and no circuit breaker, unless a test asks for them."""
    settings.NOTIFICATIONS_SWEEP_SECONDS = SELDOM
    settings.NOTIFICATIONS_HEARTBEAT_SECONDS = SELDOM
    monkeypatch.setattr(push, "_rest_until", 0.0)


@pytest.fixture
def often_sweeps(settings):
    settings.NOTIFICATIONS_SWEEP_SECONDS = OFTEN


@pytest.fixture
def unpushed(monkeypatch):
    """What is published is not pushed."""
    monkeypatch.setattr(push, "send", lambda outgoing: False)


@pytest.fixture
def user():
    return User.objects.create_user("ada")


@pytest.fixture
def cookie(user):
    return session_of(user)


@pytest.fixture
def name(user):
    """The user's own stream."""
    return f"user-{user.pk}"


async def say(stream, *events):
    await in_thread(append, stream, *events)


async def cursor_of(stream):
    return await in_thread(backlog.current_cursor, stream)


def told(socket):
    """What has come: the types of events, and "key=n" for values."""
    names = {
        "event": lambda each: each["event"],
        "state": lambda each: "{key}={data[n]}".format(**each),
    }
    return [names[each["type"]](each) for each in socket.frames if each["type"] in names]


# -- the handshake -----------------------------------------------------------------------------


async def test_a_session_from_a_page_of_ours_is_welcomed(user, cookie, settings):
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


async def test_a_bearer_token_without_an_origin_is_welcomed(user):
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
async def test_a_handshake_is_refused(cookie, changes):
    socket = Socket(headers(**{"cookie": cookie, **changes}))

    accepted, _ = await socket.shake_hands()

    assert not accepted
    await socket.disconnect()


@pytest.mark.parametrize("offered", [[], ["waybill.v2"], ["graphql-ws", "Waybill.V1"]])
async def test_a_protocol_that_we_do_not_speak_is_refused(cookie, offered):
    socket = Socket(headers(cookie=cookie), offered)

    accepted, _ = await socket.shake_hands()

    assert not accepted
    await socket.disconnect()


async def test_our_protocol_is_chosen_among_others(cookie):
    socket = Socket(headers(cookie=cookie), ["waybill.v2", "waybill.v1"])

    assert await socket.shake_hands() == (True, "waybill.v1")
    await socket.disconnect()


# -- catching up, then live ----------------------------------------------------------------------


async def test_null_brings_all_that_is_kept_then_what_comes(cookie, name):
    await say(name, "a", "b")
    await in_thread(retain, name, "k", n=1)

    async with connected(cookie) as socket:
        answer = await socket.subscribe({name: None})
        await socket.events_until("b")
        await say(name, "c")
        await socket.events_until("c")

    assert (answer["recovered"], answer["cursor"].split(".")[1:]) == (True, ["0", "0"])
    assert told(socket) == ["k=1", "a", "b", "c"]


async def test_latest_brings_only_what_comes(cookie, name):
    await say(name, "a")
    await in_thread(retain, name, "k", n=1)
    latest = await cursor_of(name)

    async with connected(cookie) as socket:
        answer = await socket.subscribe({name: "latest"})
        await say(name, "b")
        await socket.events_until("b")

    assert answer["cursor"] == latest
    assert told(socket) == ["b"]


async def test_a_cursor_brings_what_came_after_it(cookie, name):
    await say(name, "a")
    since = await cursor_of(name)
    await say(name, "b")
    await in_thread(retain, name, "k", n=1)

    async with connected(cookie) as socket:
        answer = await socket.subscribe({name: since})
        await socket.events_until("b")

    assert answer == {"type": "subscribed", "stream": name, "cursor": since, "recovered": True}
    assert told(socket) == ["k=1", "b"]


async def test_an_empty_stream_has_a_cursor_to_come_back_with(cookie, name):
    async with connected(cookie) as socket:
        cursor = (await socket.subscribe({name: None}))["cursor"]
    await say(name, "while away")
    async with connected(cookie) as socket:
        await socket.subscribe({name: cursor})

        assert await socket.events_until("while away") == ["while away"]


async def test_a_client_that_comes_back_with_its_cursor_gets_exactly_what_it_missed(cookie, name):
    seen = []
    cursor = None
    for turn in range(4):
        async with connected(cookie) as socket:
            await socket.subscribe({name: cursor})
            await say(name, f"live {turn}")
            seen += await socket.events_until(f"live {turn}")
            cursor = socket.frames[-1]["cursor"]
        await say(name, f"missed {turn}", f"missed too {turn}")

    expected = []
    for turn in range(4):
        expected += [f"live {turn}", f"missed {turn}", f"missed too {turn}"]
    assert seen == expected[: len(seen)]
    assert len(seen) == 10


async def test_a_cursor_that_means_nothing_any_more_is_answered_with_a_reset(cookie, name):
    await say(name, "old")
    old = await cursor_of(name)
    await in_thread(Stream.objects.all().delete)
    await say(name, "new")

    async with connected(cookie) as socket:
        answer = await socket.subscribe({name: old})
        await socket.events_until("new")

    assert not answer["recovered"]
    assert [each["type"] for each in socket.frames] == ["welcome", "subscribed", "reset", "event"]
    assert socket.frames[2] == {"type": "reset", "stream": name, "reason": "epoch"}


async def test_a_stream_that_is_made_anew_under_an_open_socket_is_reset(cookie, name, often_sweeps):
    async with connected(cookie) as socket:
        await say(name, "old")
        await socket.subscribe({name: None})
        await socket.events_until("old")
        await in_thread(Stream.objects.all().delete)

        await say(name, "new")
        await socket.events_until("new")

    assert [each["type"] for each in socket.frames[-2:]] == ["reset", "event"]


async def test_what_one_transaction_wrote_comes_in_its_order(cookie, name):
    @transaction.atomic
    def write():
        publish.append(name, "a", {})
        publish.retain(name, "k", {"n": 1})
        publish.append(name, "b", {})
        publish.retain(name, "k", {"n": 2})
        publish.append(name, "last", {})

    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await in_thread(write)
        await socket.events_until("last")

    assert told(socket) == ["a", "k=1", "b", "k=2", "last"]


async def test_an_event_that_is_pushed_twice_comes_once(cookie, name, monkeypatch):
    async def send_twice(messages):
        layer = push.get_channel_layer()
        for group, message in [*messages.items(), *messages.items()]:
            await layer.group_send(group, message)

    monkeypatch.setattr(push, "_send", send_twice)
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await say(name, "a", "b")
        await say(name, "last")

        assert await socket.events_until("last") == ["a", "b", "last"]


async def test_what_is_committed_between_joining_and_reading_comes_once(cookie, name, monkeypatch):
    """And so does what is committed while the read is under way."""
    original = backlog.read

    def read(*arguments):
        monkeypatch.setattr(backlog, "read", original)
        append(name, "before the read")
        page = original(*arguments)
        append(name, "after the read")
        return page

    monkeypatch.setattr(backlog, "read", read)
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await socket.events_until("after the read")
        await say(name, "last")

        assert await socket.events_until("last") == ["last"]
    assert told(socket) == ["before the read", "after the read", "last"]


async def test_what_is_committed_before_the_group_is_joined_comes_once(cookie, name, monkeypatch):
    original = hub.Hub.follow

    async def follow(the_hub, stream, subscriber):
        await in_thread(append, name, "too early for the layer")
        await original(the_hub, stream, subscriber)

    monkeypatch.setattr(hub.Hub, "follow", follow)
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})

        assert await socket.events_until("too early for the layer") == ["too early for the layer"]


async def test_a_stream_is_never_read_before_it_is_followed(cookie, name, monkeypatch, settings):
    """Though the connection is woken meanwhile, by another of its streams."""
    order = []
    follow, read = hub.Hub.follow, backlog.read

    async def slow_follow(the_hub, stream, subscriber):
        if stream == "user-late":
            subscriber._wake.set()
            for _ in range(20):
                await asyncio.sleep(0)
        await follow(the_hub, stream, subscriber)
        order.append(f"followed {stream}")

    def noted_read(stream, *arguments):
        order.append(f"read {stream}")
        return read(stream, *arguments)

    monkeypatch.setattr(hub.Hub, "follow", slow_follow)
    monkeypatch.setattr(backlog, "read", noted_read)
    monkeypatch.setattr(consumers.access, "readable", lambda user, streams: set(streams))
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await socket.subscribe({"user-late": None})

    assert order == [f"followed {name}", f"read {name}", "followed user-late", "read user-late"]


async def test_several_streams_come_over_one_socket(user, cookie, name):
    group = await in_thread(Group.objects.create, name="pilots")
    await in_thread(user.groups.add, group)
    team = f"team-{group.pk}"

    async with connected(cookie) as socket:
        await socket.subscribe({name: None, team: None})
        await say(name, "mine")
        await say(team, "ours")
        await socket.until(lambda frame: frame.get("event") == "ours")

        await socket.send("unsubscribe", streams=[team])
        await socket.send("ping", id="unsubscribed")
        await socket.until(lambda frame: frame["type"] == "pong")
        await say(team, "not for us any more")
        await say(name, "last")
        await socket.events_until("last")

    assert told(socket) == ["mine", "ours", "last"]


async def test_subscribing_anew_starts_from_the_new_cursor(cookie, name):
    await say(name, "a")
    since = await cursor_of(name)
    await say(name, "b")

    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await socket.events_until("b")
        await socket.subscribe({name: since})

        assert await socket.events_until("b") == ["b"]


async def test_a_read_for_a_subscription_that_was_replaced_says_nothing(cookie, name, monkeypatch):
    """Its reset would make the client forget what the new one does not send again."""
    await say(name, "a", "b")
    since = await cursor_of(name)
    loop, may_end = asyncio.get_running_loop(), asyncio.Event()
    original = backlog.read

    def slow(*arguments):
        monkeypatch.setattr(backlog, "read", original)
        page = original(*arguments)
        asyncio.run_coroutine_threadsafe(may_end.wait(), loop).result(15)
        return page

    monkeypatch.setattr(backlog, "read", slow)
    async with connected(cookie) as socket:
        await socket.send("subscribe", streams={name: "another-epoch.1.0"})
        await eventually(lambda: backlog.read is original)
        await socket.send("subscribe", streams={name: since})
        await socket.send("ping", id="replaced")
        await socket.until(lambda frame: frame["type"] == "pong")
        may_end.set()
        await say(name, "last")
        await socket.events_until("last")

    assert [each["type"] for each in socket.frames] == ["welcome", "pong", "subscribed", "event"]


# -- the layer is down ---------------------------------------------------------------------------


async def test_without_pushes_everything_comes_by_sweeps(cookie, name, often_sweeps, unpushed):
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        for turn in range(3):
            await say(name, f"a{turn}", f"b{turn}")
            await in_thread(retain, name, "k", n=turn)

            assert await socket.events_until(f"b{turn}") == [f"a{turn}", f"b{turn}"]
        await say(name, "last")
        await socket.events_until("last")

    assert "k=2" in told(socket)


async def test_with_valkey_down_a_stream_can_be_subscribed_to(cookie, name, often_sweeps, valkey):
    valkey.kill()
    await say(name, "before")

    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await socket.events_until("before")
        await say(name, "after")

        assert await socket.events_until("after") == ["after"]


async def test_a_socket_outlives_valkey(cookie, name, often_sweeps, valkey, monkeypatch):
    monkeypatch.setattr(push, "REST", 0.0)
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await say(name, "pushed")
        await socket.events_until("pushed")

        valkey.kill()
        await say(name, "swept")
        assert await socket.events_until("swept") == ["swept"]

        valkey.start()
        received = hub.current().counters["received"]
        for turn in range(1000):
            await say(name, f"after {turn}")
            assert await socket.events_until(f"after {turn}") == [f"after {turn}"]
            if hub.current().counters["received"] > received:
                break
        assert hub.current().counters["received"] > received, "Pushes arrive again."


async def test_a_flushed_valkey_loses_nothing(cookie, name, valkey):
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await say(name, "before")
        await socket.events_until("before")

        valkey.flush()
        await say(name, "after")

        assert await socket.events_until("after") == ["after"]


async def test_many_streams_are_subscribed_to_in_a_second_when_valkey_is_frozen(
    cookie, monkeypatch, valkey
):
    monkeypatch.setattr(consumers.access, "readable", lambda user, streams: set(streams))
    valkey.freeze()

    async with connected(cookie) as socket, asyncio.timeout(hub.LAYER_TIMEOUT + 5):
        await socket.subscribe({f"user-{number}": None for number in range(30)})


# -- the database fails ----------------------------------------------------------------------------


async def test_a_read_that_fails_is_tried_again_and_the_socket_stays(cookie, name, monkeypatch):
    monkeypatch.setattr(consumers, "RETRY_SECONDS", 0.01)
    original = backlog.read
    failures = [OperationalError("gone"), OperationalError("still gone")]

    def read(*arguments):
        if failures:
            raise failures.pop()
        return original(*arguments)

    monkeypatch.setattr(backlog, "read", read)
    await say(name, "a")
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})

        assert await socket.events_until("a") == ["a"]


@pytest.mark.parametrize("question", ["authenticate", "streams_of"])
async def test_who_comes_while_nobody_can_be_asked_is_told_to_come_back(
    cookie, monkeypatch, question
):
    """Refused, a browser would take it for the end of its session."""

    def fail(*_):
        raise OperationalError("gone")

    module = handshake if question == "authenticate" else access
    monkeypatch.setattr(module, question, fail)
    socket = Socket(headers(cookie=cookie))

    accepted, _ = await socket.shake_hands()

    assert accepted
    assert await socket.close_code() == 4500


async def test_who_asks_for_a_stream_while_nobody_can_be_asked_is_told_to_come_back(
    cookie, name, monkeypatch
):
    def fail(*_):
        raise OperationalError("gone")

    async with connected(cookie) as socket:
        monkeypatch.setitem(access._rules, "user", fail)
        await socket.send("subscribe", streams={name: None})

        assert await socket.close_code() == 4500


async def test_a_connection_that_cannot_go_on_is_closed_so_that_the_client_comes_back(
    cookie, name, monkeypatch, caplog
):
    def read(*arguments):
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(backlog, "read", read)
    async with connected(cookie) as socket:
        await socket.send("subscribe", streams={name: None})

        assert await socket.close_code() == 4500
    assert "a mistake of ours" in caplog.text


# -- who may read ------------------------------------------------------------------------------------


async def test_a_stream_of_somebody_else_looks_like_one_that_is_not_there(user, cookie):
    other = await in_thread(User.objects.create_user, "grace")
    await say(f"user-{other.pk}", "secret")
    group = await in_thread(Group.objects.create, name="others")
    await say(f"team-{group.pk}", "secret")
    streams = [
        f"user-{other.pk}",
        f"team-{group.pk}",
        "user-999999",
        "team-999999",
        "export-00000000-0000-0000-0000-000000000000",
        "nonsense",
        "user-",
        "user",
    ]

    async with connected(cookie) as socket:
        await socket.subscribe(dict.fromkeys(streams))

        answers = [each for each in socket.frames if each["type"] != "welcome"]
    assert [each.pop("stream") for each in answers] == streams
    assert answers == [
        {"type": "error", "code": "forbidden", "detail": "You may not read this stream."}
    ] * len(streams)
    assert not await in_thread(Stream.objects.filter(name="user-999999").exists)


@pytest.mark.parametrize("spelling", ["team-0{}", "team-+{}", "team- {}", "user-0{}", "USER-{}"])
async def test_another_spelling_of_a_name_is_another_stream(user, cookie, spelling):
    group = await in_thread(Group.objects.create, name="pilots", pk=user.pk)
    await in_thread(user.groups.add, group)
    stream = spelling.format(user.pk)

    async with connected(cookie) as socket:
        await socket.send("subscribe", streams={stream: None})
        answer = await socket.next()

    assert answer["code"] == "forbidden"


@pytest.mark.parametrize("wrong", ["", "export-6f9c…", "user 1", "a" * 100])
async def test_a_name_that_cannot_be_takes_no_other_stream_with_it(cookie, name, wrong):
    async with connected(cookie) as socket:
        await socket.send("subscribe", streams={wrong: None, name: None})
        answers = [await socket.next(), await socket.next()]

    assert [(each["type"], each["stream"]) for each in answers] == [
        ("error", wrong),
        ("subscribed", name),
    ]
    assert answers[0]["code"] == "forbidden"


async def test_no_more_than_so_many_streams_on_a_socket(cookie, monkeypatch):
    monkeypatch.setattr(consumers.protocol, "MAX_STREAMS", 2)
    monkeypatch.setattr(consumers.access, "readable", lambda user, streams: set(streams))

    async with connected(cookie) as socket:
        await socket.send("subscribe", streams={"a-1": None, "a-2": None, "a-3": None})
        await socket.until(lambda frame: frame.get("stream") == "a-2")
        await socket.send("subscribe", streams={"a-2": None})
        await socket.until(lambda frame: frame.get("stream") == "a-2")

        errors = [each for each in socket.frames if each["type"] == "error"]
    assert [(each["code"], each["stream"]) for each in errors] == [("too_many_streams", "a-3")]


@pytest.fixture
def asked_often(settings, monkeypatch):
    """Whether a user may stay is asked all the time."""
    settings.NOTIFICATIONS_HEARTBEAT_SECONDS = 0.02
    monkeypatch.setattr(rights, "RECHECK_SECONDS", 0.02)


async def test_a_user_who_is_deactivated_is_cut_off(user, cookie, name, asked_often):
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await in_thread(User.objects.filter(pk=user.pk).update, is_active=False)

        assert await socket.close_code() == 4401


async def test_a_user_who_signs_out_is_cut_off(cookie, asked_often):
    async with connected(cookie) as socket:
        await in_thread(Session.objects.all().delete)

        assert await socket.close_code() == 4401


async def test_a_user_who_may_not_read_a_stream_any_more_loses_only_that(
    user, cookie, name, asked_often
):
    group = await in_thread(Group.objects.create, name="pilots")
    await in_thread(user.groups.add, group)
    team = f"team-{group.pk}"

    async with connected(cookie) as socket:
        await socket.subscribe({name: None, team: None})
        await in_thread(user.groups.clear)

        error = await socket.until(lambda frame: frame["type"] == "error")
        assert (error["code"], error["stream"]) == ("forbidden", team)
        await say(team, "secret")
        await say(name, "last")
        assert await socket.events_until("last") == ["last"]


async def test_a_permission_that_was_taken_is_not_remembered(
    user, cookie, monkeypatch, asked_often
):
    """The user of the handshake has its permissions cached."""
    users = set()

    def readable(user, streams):
        users.add(id(user))
        return set(streams)

    monkeypatch.setattr(consumers.access, "readable", readable)
    async with connected(cookie) as socket:
        await socket.subscribe({"a-1": None})
        await eventually(lambda: len(users) > 1)
        before = len(users)
        first = next(iter(users))
        users.clear()

        await eventually(lambda: users)
        await socket.subscribe({"a-2": None})

    assert before > 1
    assert first not in users


async def test_while_nobody_can_be_asked_the_socket_stays(cookie, name, monkeypatch, asked_often):
    asked = []

    def fail(scope):
        asked.append(scope)
        raise OperationalError("gone")

    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        monkeypatch.setattr(consumers.handshake, "authenticate", fail)
        await eventually(lambda: len(asked) > 2)

        await say(name, "a")
        assert await socket.events_until("a") == ["a"]


# -- frames that are not valid ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("hello", "frame: Invalid JSON"),
        ('{"type":"dance"}', "frame: Input tag 'dance'"),
        ('{"type":"ping","ID":"7"}', "ping.ID: Extra inputs are not permitted"),
        ('{"type":"ping","id":"\\ud800"}', "frame: Invalid JSON"),
    ],
)
async def test_a_frame_that_is_not_valid_is_named_and_the_socket_stays_open(cookie, text, detail):
    async with connected(cookie) as socket:
        await socket.communicator.send_to(text_data=text)
        error = await socket.next()
        await socket.send("ping", id="still here")

        assert (error["type"], error["code"]) == ("error", "bad_frame")
        assert error["detail"].startswith(detail)
        assert await socket.next() == {"type": "pong", "id": "still here"}


async def test_a_cursor_that_is_none_is_named_with_its_stream(cookie, name):
    async with connected(cookie) as socket:
        answer = await socket.subscribe({name: "yesterday"})
        await socket.subscribe({name: None})

    assert (answer["code"], answer["stream"]) == ("bad_frame", name)
    assert "is not a cursor" in answer["detail"]
    assert socket.frames[-1]["type"] == "subscribed"


async def test_the_tenth_bad_frame_closes_the_socket(cookie, name):
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
async def test_a_frame_that_is_too_large_closes_the_socket(cookie, character):
    async with connected(cookie) as socket:
        size = 64 * 1024 // len(character.encode()) + 1
        await socket.communicator.send_to(text_data=character * size)

        assert await socket.close_code() == 4400


async def test_a_large_frame_is_no_mistake(cookie):
    async with connected(cookie) as socket:
        names = [f"{number:099}" for number in range(protocol.MAX_NAMES)]
        frame = json.dumps({"type": "unsubscribe", "streams": names})
        await socket.communicator.send_to(text_data=frame.ljust(protocol.MAX_FRAME_BYTES))
        await socket.send("ping", id="still here")

        assert await socket.next() == {"type": "pong", "id": "still here"}


async def test_a_frame_that_names_too_many_streams_is_refused_whole(cookie, name):
    names = [name, *(f"a-{number}" for number in range(protocol.MAX_NAMES))]

    async with connected(cookie) as socket:
        for frame in (
            {"type": "subscribe", "streams": dict.fromkeys(names)},
            {"type": "unsubscribe", "streams": names},
        ):
            await socket.communicator.send_json_to(frame)
            error = await socket.next()

            assert (error["code"], error["stream"]) == ("bad_frame", None)
            assert f"at most {protocol.MAX_NAMES} items" in error["detail"]
        assert hub.current()._followers == {}


async def test_what_is_wrong_is_said_in_few_words(cookie):
    """However much a client has sent, and however often it was wrong in one frame."""
    x = "x" * 30_000
    for frame in ({"type": x}, {"type": "ping", x: x}, {"type": "unsubscribe", "streams": [x]}):
        async with connected(cookie) as socket:
            await socket.communicator.send_json_to(frame)

            assert len((await socket.next())["detail"]) <= protocol.MAX_DETAIL


async def test_subscribing_again_and_again_is_refused_and_costs_no_question(
    cookie, name, monkeypatch
):
    asked = []
    monkeypatch.setattr(limits, "NAMES_A_SECOND", 0)
    monkeypatch.setattr(limits, "NAMES_AT_ONCE", 5)

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
        assert error["detail"].startswith("streams: Too many names: 0 a second at most, 5 at once.")
        assert len(asked) == 5


async def test_a_frame_is_one_question_to_the_pool_however_many_it_names(user, cookie, monkeypatch):
    questions = []
    original = consumers.in_database

    async def in_database(function, *arguments):
        questions.append(function)
        return await original(function, *arguments)

    async with connected(cookie) as socket:
        monkeypatch.setattr(consumers, "in_database", in_database)
        await socket.subscribe({f"user-{user.pk + number}": None for number in range(1, 101)})

    assert questions == [access.readable]


async def test_frame_after_frame_is_refused_and_then_closed(cookie, monkeypatch):
    monkeypatch.setattr(limits, "FRAMES_A_SECOND", 0)
    monkeypatch.setattr(limits, "FRAMES_AT_ONCE", 5)

    async with connected(cookie) as socket:
        for number in range(5 + protocol.MAX_BAD_FRAMES):
            await socket.send("ping", id=str(number))

        assert await socket.close_code() == 4400


async def test_who_acknowledges_every_frame_is_not_limited(cookie, name, monkeypatch):
    """There are no more such acks than frames that the server has sent."""
    monkeypatch.setattr(limits, "FRAMES_A_SECOND", 0)
    monkeypatch.setattr(limits, "FRAMES_AT_ONCE", 2)
    await say(name, *["log"] * 50, "last")

    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        while (frame := await socket.next()).get("event") != "last":
            await socket.send("ack", stream=name, cursor=frame["cursor"])
        await socket.send("ping", id="still here")

        assert await socket.next() == {"type": "pong", "id": "still here"}


async def test_a_binary_frame_closes_the_socket(cookie):
    async with connected(cookie) as socket:
        await socket.communicator.send_to(bytes_data=b'{"type":"ping"}')

        assert await socket.close_code() == 4400


async def test_after_the_close_nothing_is_sent_and_nothing_is_answered(cookie, name):
    """The server would refuse it, and log that as an error of ours."""
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await socket.communicator.send_to(bytes_data=b"\0")
        await socket.send("ping", id="too late")
        await say(name, "too late")
        assert await socket.close_code() == 4400
        await eventually(lambda: hub.current().counters["received"])

        assert await socket.communicator.receive_nothing(0.2)


# -- the window --------------------------------------------------------------------------------------


async def test_a_window_of_frames_is_sent_and_the_rest_after_an_ack(cookie, name, settings):
    settings.NOTIFICATIONS_WINDOW = 3
    await say(name, *"abcdefgh")

    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        assert await socket.events_until("c") == ["a", "b", "c"]
        await say(name, "live")
        assert await socket.communicator.receive_nothing(0.2)

        seen = list("abc")
        while seen[-1] != "live":
            await socket.acknowledge()
            seen.append((await socket.next())["event"])

    assert seen == [*"abcdefgh", "live"]


async def test_a_slow_client_skips_to_the_latest_value(cookie, name, settings):
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


async def test_streams_have_windows_of_their_own(user, cookie, name, settings):
    settings.NOTIFICATIONS_WINDOW = 1
    group = await in_thread(Group.objects.create, name="pilots")
    await in_thread(user.groups.add, group)
    await say(name, "a", "b")
    await say(f"team-{group.pk}", "c", "d")

    async with connected(cookie) as socket:
        await socket.subscribe({name: None, f"team-{group.pk}": None})
        await socket.until(lambda frame: frame.get("event") == "c")

    assert told(socket) == ["a", "c"]


async def test_each_row_is_read_once_however_the_client_acknowledges(
    cookie, name, settings, monkeypatch
):
    settings.NOTIFICATIONS_WINDOW = 8
    await say(name, *["log"] * 99, "last")
    rows = []
    original = backlog.read

    def read(*arguments):
        page = original(*arguments)
        rows.extend(page.items)
        return page

    monkeypatch.setattr(backlog, "read", read)
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        while told(socket)[-1:] != ["last"]:
            frame = await socket.next()
            await socket.send("ack", stream=name, cursor=frame["cursor"])

    assert told(socket) == [*["log"] * 99, "last"]
    assert len(rows) == 100


async def test_a_client_that_does_not_acknowledge_is_closed_to_come_back(
    cookie, name, settings, monkeypatch
):
    settings.NOTIFICATIONS_WINDOW = 1
    settings.NOTIFICATIONS_HEARTBEAT_SECONDS = 0.02
    settings.NOTIFICATIONS_STALLED_SECONDS = 0.1
    await say(name, "a", "b")

    async with connected(cookie) as socket:
        await socket.subscribe({name: None})

        assert await socket.close_code() == 4408


async def test_an_ack_that_means_nothing_is_ignored(cookie, name):
    async with connected(cookie) as socket:
        await socket.send("ack", stream=name, cursor="e.1.2")
        await socket.subscribe({name: None})
        await socket.send("ack", stream=name, cursor="nonsense")
        await socket.send("ack", stream=name, cursor="e.1.2")
        await say(name, "a")

        assert await socket.events_until("a") == ["a"]


async def test_a_heartbeat_says_how_far_each_stream_was_sent(cookie, name, settings):
    settings.NOTIFICATIONS_HEARTBEAT_SECONDS = 0.05
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await say(name, "a")
        await socket.events_until("a")

        beat = await socket.communicator.receive_json_from(15)

    assert beat == {"type": "heartbeat", "heads": {name: socket.frames[-1]["cursor"]}}


# -- several sockets, and the end ----------------------------------------------------------------------


async def test_two_sockets_of_a_process_share_its_member_of_the_layer(cookie, name, valkey):
    async with connected(cookie) as one, connected(cookie) as two:
        await one.subscribe({name: None})
        await two.subscribe({name: None})
        await say(name, "a")

        assert await one.events_until("a") == await two.events_until("a") == ["a"]
        with valkey.client() as client:
            channels = [each.decode() for each in client.pubsub_channels()]
        assert len([each for each in channels if "specific." in each]) == 1
        assert hub.current().counters["received"] == 1


async def test_one_slow_socket_does_not_hold_up_another(cookie, name, settings):
    settings.NOTIFICATIONS_WINDOW = 2
    async with connected(cookie) as slow, connected(cookie) as quick:
        await slow.subscribe({name: None})
        await quick.subscribe({name: None})
        for turn in range(20):
            await say(name, f"{turn}")
            assert await quick.events_until(f"{turn}") == [f"{turn}"]
            await quick.acknowledge()


async def test_a_slow_query_of_one_socket_does_not_hold_up_another(user, cookie, name, monkeypatch):
    loop, may_end = asyncio.get_running_loop(), asyncio.Event()
    original, begun = backlog.read, []

    def read(stream, *arguments):
        if stream == "a-slow":
            begun.append(stream)
            asyncio.run_coroutine_threadsafe(may_end.wait(), loop).result(60)
        return original(stream, *arguments)

    monkeypatch.setattr(backlog, "read", read)
    monkeypatch.setattr(consumers.access, "readable", lambda user, streams: set(streams))
    async with connected(cookie) as slow, connected(cookie) as quick:
        await slow.send("subscribe", streams={"a-slow": None})
        await eventually(lambda: begun)
        await quick.subscribe({name: None})
        await say(name, "a")

        assert await quick.events_until("a") == ["a"]
        may_end.set()


async def test_nothing_is_left_of_a_socket_that_goes(cookie, name, valkey):
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await say(name, "a")
        await socket.events_until("a")
        assert tasks_of_streams() == [
            "stream-keeper",
            "stream-pump",
            "stream-recheck",
            "stream-recheck-named",
            "streams-listen",
            "streams-sweep",
        ]

    assert tasks_of_streams() == []
    assert hub.current()._followers == {}
    with valkey.client() as client:
        assert client.pubsub_channels() == []


async def test_nothing_is_left_of_a_socket_whose_handler_raises(cookie, name, monkeypatch):
    """Channels does not call disconnect() then."""

    def readable(user, streams):
        if "a-1" in streams:
            raise RuntimeError("a mistake of ours")
        return set(streams)

    monkeypatch.setattr(consumers.access, "readable", readable)
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await socket.send("subscribe", streams={"a-1": None})

        with pytest.raises(RuntimeError, match="a mistake of ours"):
            await socket.communicator.wait(15)

        await eventually(lambda: tasks_of_streams() == [])
        assert hub.current()._followers == {}


async def test_nothing_is_left_of_a_socket_that_the_server_kills(cookie, name):
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})

        socket.communicator.future.cancel()
        await eventually(lambda: tasks_of_streams() == [])

        assert hub.current()._followers == {}


async def test_a_socket_that_ends_is_forgotten_before_its_tasks_have_ended(
    cookie, name, monkeypatch
):
    """A server that stops may not wait for them."""
    may_end = asyncio.Event()

    async def stubborn(consumer):
        try:
            await asyncio.Event().wait()
        finally:
            await may_end.wait()

    monkeypatch.setattr(consumers.StreamConsumer, "_keep", stubborn)
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        socket.communicator.future.cancel()

        try:
            await eventually(lambda: hub.current()._followers == {})
            assert not hub.current()._connections
            assert "stream-keeper" in tasks_of_streams()
        finally:
            may_end.set()
        await eventually(lambda: tasks_of_streams() == [])


async def test_nothing_is_left_of_a_socket_that_is_killed_while_it_subscribes(
    cookie, name, monkeypatch
):
    original = hub.Hub.follow
    following = asyncio.Event()

    async def follow(the_hub, stream, subscriber):
        await original(the_hub, stream, subscriber)
        following.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(hub.Hub, "follow", follow)
    async with connected(cookie) as socket:
        await socket.send("subscribe", streams={name: None})
        await following.wait()

        socket.communicator.future.cancel()
        await eventually(lambda: tasks_of_streams() == [])

        assert hub.current()._followers == {}


async def test_a_socket_that_goes_while_valkey_is_frozen_is_gone(cookie, valkey, monkeypatch):
    monkeypatch.setattr(consumers.access, "readable", lambda user, streams: set(streams))
    valkey.freeze()
    async with connected(cookie) as socket:
        await socket.subscribe({f"user-{number}": None for number in range(30)})

        async with asyncio.timeout(hub.LAYER_TIMEOUT + 5):
            await socket.disconnect()

        assert hub.current()._followers == {}
