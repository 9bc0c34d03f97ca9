"""Who may read which stream, when they ask and as long as they stay."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.utils import timezone

from notifications.api import tokens
from notifications.delivery import consumer, recheck
from notifications.models import Stream, Token
from tests.support.streaming import append_events, connected, eventually, in_thread
from tests.support.trail import entries

pytestmark = pytest.mark.django_db(transaction=True)


async def test_foreign_stream_looks_like_a_missing_one(user, cookie):
    other = await in_thread(User.objects.create_user, "grace")
    await append_events(f"user-{other.pk}", "secret")
    group = await in_thread(Group.objects.create, name="others")
    await append_events(f"team-{group.pk}", "secret")
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
async def test_variant_spelling_of_a_stream_name_is_forbidden(user, cookie, spelling):
    group = await in_thread(Group.objects.create, name="pilots", pk=user.pk)
    await in_thread(user.groups.add, group)
    stream = spelling.format(user.pk)

    async with connected(cookie) as socket:
        await socket.send("subscribe", streams={stream: None})
        answer = await socket.next()

    assert answer["code"] == "forbidden"


@pytest.mark.parametrize("wrong", ["", "export-6f9c…", "user 1", "a" * 100])
async def test_invalid_stream_name_affects_no_other_subscription(cookie, name, wrong):
    async with connected(cookie) as socket:
        await socket.send("subscribe", streams={wrong: None, name: None})
        answers = [await socket.next(), await socket.next()]

    assert [(each["type"], each["stream"]) for each in answers] == [
        ("error", wrong),
        ("subscribed", name),
    ]
    assert answers[0]["code"] == "forbidden"


async def test_number_of_streams_on_a_socket_is_limited(cookie, monkeypatch):
    monkeypatch.setattr(consumer.frames, "MAX_STREAMS", 2)
    monkeypatch.setattr(consumer.access, "readable", lambda user, streams: set(streams))

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
    monkeypatch.setattr(recheck, "RECHECK_SECONDS", 0.02)


@pytest.mark.proves("lost-rights-end-streams")
async def test_deactivated_user_is_disconnected(user, cookie, name, asked_often):
    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        await in_thread(User.objects.filter(pk=user.pk).update, is_active=False)

        assert await socket.close_code() == 4401


@pytest.mark.proves("lost-rights-end-streams")
async def test_signed_out_user_is_disconnected(cookie, asked_often):
    async with connected(cookie) as socket:
        await in_thread(Session.objects.all().delete)

        assert await socket.close_code() == 4401


@pytest.mark.proves("tokens-end")
async def test_program_with_an_expired_token_is_disconnected(user, name, asked_often):
    token = await in_thread(tokens.create, user)
    async with connected(token=token, origin=None) as socket:
        await socket.subscribe({name: None})
        await in_thread(Token.objects.update, expires_at=timezone.now())

        assert await socket.close_code() == 4401
    # Nobody has tried anything: it was asked whether it still holds.
    assert await in_thread(entries, "token_refused") == []


@pytest.mark.proves("lost-rights-end-streams")
async def test_user_who_loses_a_stream_keeps_the_others(user, cookie, name, asked_often):
    group = await in_thread(Group.objects.create, name="pilots")
    await in_thread(user.groups.add, group)
    team = f"team-{group.pk}"

    async with connected(cookie) as socket:
        await socket.subscribe({name: None, team: None})
        await in_thread(user.groups.clear)

        error = await socket.until(lambda frame: frame["type"] == "error")
        assert (error["code"], error["stream"]) == ("forbidden", team)
        await append_events(team, "secret")
        await append_events(name, "last")
        assert await socket.events_until("last") == ["last"]


@pytest.mark.proves("lost-rights-end-streams")
async def test_withdrawn_permission_is_not_cached(user, cookie, monkeypatch, asked_often):
    """The user of the handshake has its permissions cached."""
    users = []  # Kept, so that no two of them are ever at the same address.

    def readable(user, streams):
        users.append(user)
        return set(streams)

    monkeypatch.setattr(consumer.access, "readable", readable)
    async with connected(cookie) as socket:
        await socket.subscribe({"a-1": None})
        await eventually(lambda: len(users) > 1)
        before = len(users)

        await eventually(lambda: len(users) > before)
        await socket.subscribe({"a-2": None})

    first, *later = users
    assert all(user is not first for user in later)


async def test_socket_stays_open_while_rights_cannot_be_checked(
    cookie, name, monkeypatch, asked_often
):
    asked = []

    def fail(scope):
        asked.append(scope)
        raise OperationalError("gone")

    async with connected(cookie) as socket:
        await socket.subscribe({name: None})
        monkeypatch.setattr(consumer.handshake, "authenticate", fail)
        await eventually(lambda: len(asked) > 2)

        await append_events(name, "a")
        assert await socket.events_until("a") == ["a"]
