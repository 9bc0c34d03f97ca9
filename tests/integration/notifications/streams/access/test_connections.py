"""A connection is closed at once when its user may not stay."""

from __future__ import annotations

import threading

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction
from django.urls import reverse

from notifications.api import tokens
from notifications.delivery import consumer, handshake
from notifications.models import Token
from tests.support.stream_access import followed, is_deactivated, kinds
from tests.support.streaming import append_events, connected, in_thread, session_of
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


async def nothing_more_came(socket):
    """Since the close. To be asked when a neighbour has what this socket must not get."""
    # When the client has gone, all that was to be sent to it has been.
    await socket.disconnect()
    assert socket.communicator.output_queue.empty()


def signs_out(ada, browser):
    assert browser.post(reverse("logout")).status_code == 302


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


@pytest.mark.proves("lost-rights-end-streams")
@pytest.mark.parametrize(
    "change",
    [signs_out, is_deactivated, gets_another_password, is_deleted, is_deactivated_among_many],
    ids=lambda change: change.__name__,
)
async def test_user_without_access_is_disconnected_at_once(
    *, ada, grace, team, browser, cookie, change
):
    stream = f"team-{team.pk}"
    neighbours_cookie = await in_thread(session_of, grace)

    async with connected(cookie) as socket, connected(neighbours_cookie) as neighbour:
        await followed(socket, stream)
        await followed(neighbour, stream)
        await in_thread(change, ada, browser)

        assert await socket.close_code() == 4401

        await append_events(stream, "later")
        assert await neighbour.events_until("later") == ["later"]
        assert kinds(neighbour) == ["welcome", "subscribed", "later"]
        await nothing_more_came(socket)


@pytest.mark.proves("lost-rights-end-streams")
async def test_only_the_program_with_the_revoked_token_is_disconnected(ada, team):
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

        await append_events(stream, "later")
        assert await neighbour.events_until("later") == ["later"]
        await nothing_more_came(socket)


@pytest.mark.proves("tokens-end")
@pytest.mark.parametrize("change", ["password", "is_active"])
async def test_program_is_disconnected_when_its_user_loses_access(ada, team, change):
    token = await in_thread(tokens.create, ada)
    if change == "password":
        ada.set_password("another")
    else:
        ada.is_active = False

    async with connected(token=token, origin=None) as socket:
        await followed(socket, f"team-{team.pk}")
        await in_thread(ada.save)

        assert await socket.close_code() == 4401


async def test_sign_out_disconnects_before_the_session_is_deleted(
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


async def test_sign_out_in_one_browser_keeps_another_connected(ada, browser, cookie, team):
    others_cookie = await in_thread(session_of, ada)

    async with connected(cookie) as socket, connected(others_cookie) as other:
        await followed(socket, f"user-{ada.pk}")
        await followed(other, f"user-{ada.pk}")
        await in_thread(signs_out, ada, browser)

        assert await socket.close_code() == 4401
        await append_events(f"user-{ada.pk}", "later")
        assert await other.events_until("later") == ["later"]
