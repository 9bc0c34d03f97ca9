"""What is unread: reading goes forward only, on all devices, however many read at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from notifications.inbox import inbox, notify
from notifications.inbox.inbox import State, mark_read
from notifications.models import Event, Inbox, Mailing, Retained, Stream
from notifications.streams import push
from notifications.streams.access import user_stream
from notifications.streams.prune import prune
from tests.support.at_once import all_at_once
from tests.support.inbox import append, notify_all, rolled_back
from tests.support.streaming import connected, in_thread, session_of

pytestmark = pytest.mark.django_db(transaction=True)


def unread(user):
    return inbox.page(user).state.unread


def retained(user):
    return Retained.objects.get(stream__name=user_stream(user), key=inbox.KEY)


# -- Reading -------------------------------------------------------------------------------------


def test_reading_up_to_an_offset_leaves_newer_entries_unread(user):
    _, second, _ = notify_all(user, "a", "b", "c")

    state = mark_read(user, second)

    assert state == State(read_offset=second, unread=1, head=3)
    assert [entry.read for entry in inbox.page(user).entries] == [False, True, True]
    assert inbox.page(user).state == state


def test_reading_all_reaches_the_newest_event_of_the_stream(user):
    notify_all(user, "a", "b")
    append(user, "log")

    assert mark_read(user) == State(read_offset=3, unread=0, head=3)


def test_offset_beyond_the_newest_event_reads_no_future_events(user):
    notify_all(user, "a")

    mark_read(user, 1_000)
    notify_all(user, "b")

    assert unread(user) == 1


def test_read_offset_never_decreases(user):
    notify_all(user, "a", "b", "c")
    mark_read(user, 3)

    assert mark_read(user, 1) == State(read_offset=3, unread=0, head=3)


def test_empty_inbox_can_be_marked_as_read(user):
    assert mark_read(user) == State(read_offset=0, unread=0, head=0)


def test_reading_by_one_user_does_not_affect_another(user, django_user_model):
    other = django_user_model.objects.create_user("other")
    notify_all(user, "a")
    notify_all(other, "b")

    mark_read(user)

    assert (unread(user), unread(other)) == (0, 1)


def test_changed_offset_is_retained_and_an_unchanged_is_not(user):
    notify_all(user, "a", "b")

    mark_read(user, 1)
    first = retained(user)
    mark_read(user, 1)

    assert first.data == {"read_offset": 1, "unread": 1, "head": 2}
    assert retained(user).revision == first.revision


def test_rolled_back_reading_is_not_retained(user):
    notify_all(user, "a")

    with rolled_back():
        mark_read(user)

    assert unread(user) == 1
    assert not Retained.objects.filter(key=inbox.KEY).exists()


@pytest.mark.proves("unread-count-is-exact")
def test_pruned_notification_is_not_counted(user):
    notify_all(user, "a", "b", "c")
    Event.objects.filter(offset__lte=2).update(at=timezone.now() - timedelta(days=40))

    list(prune(timezone.now() - timedelta(days=30)))

    assert unread(user) == 1
    assert mark_read(user, 1) == State(read_offset=1, unread=1, head=3)


@pytest.mark.proves("read-on-all-devices")
def test_recreated_stream_is_unread_and_keeps_the_preference(user):
    notify_all(user, "a", "b", "c")
    mark_read(user)
    inbox.choose_mailing(user, Mailing.NONE, "en")

    Stream.objects.all().delete()
    notify_all(user, "d", "e")

    assert unread(user) == 2
    assert mark_read(user, 1) == State(read_offset=1, unread=1, head=2)
    assert inbox.mailing(user) == Mailing.NONE


# -- On all devices ------------------------------------------------------------------------------


@pytest.fixture
def only_pushes(settings):
    """Nothing is found by looking: what arrives was pushed."""
    settings.NOTIFICATIONS_SWEEP_SECONDS = 3600.0


@pytest.mark.proves("read-on-all-devices")
async def test_reading_in_one_tab_reaches_all_tabs_at_once(user, only_pushes):
    stream, cookie = user_stream(user), await in_thread(session_of, user)
    await in_thread(notify_all, user, "a", "b", "c")
    page = await in_thread(inbox.page, user)

    async with connected(cookie=cookie) as laptop, connected(cookie=cookie) as phone:
        for socket in (laptop, phone):
            await socket.subscribe({stream: page.cursor})
        await in_thread(mark_read, user, 2)
        states = [await socket.next() for socket in (laptop, phone)]

    assert [(state["type"], state["key"], state["data"]) for state in states] == [
        ("state", "inbox", {"read_offset": 2, "unread": 1, "head": 3})
    ] * 2


async def test_notification_reaches_all_tabs_at_once(user, only_pushes):
    stream, cookie = user_stream(user), await in_thread(session_of, user)
    page = await in_thread(inbox.page, user)

    async with connected(cookie=cookie) as laptop, connected(cookie=cookie) as phone:
        for socket in (laptop, phone):
            await socket.subscribe({stream: page.cursor})
        await in_thread(notify_all, user, "Your report is ready")
        events = [await socket.next() for socket in (laptop, phone)]

    assert [(event["event"], event["data"]["title"]) for event in events] == [
        ("notification", "Your report is ready")
    ] * 2


# -- At once -------------------------------------------------------------------------------------


@pytest.mark.proves("read-on-all-devices")
def test_concurrent_readings_end_at_the_furthest_offset(user, monkeypatch):
    monkeypatch.setattr(push, "send", lambda outgoing: True)
    notify_all(user, *(str(number) for number in range(40)))
    returned = []

    def read(offsets):
        returned.extend((offset, mark_read(user, offset).read_offset) for offset in offsets)

    all_at_once(lambda: read(range(1, 38, 2)), lambda: read(range(38, 0, -2)))

    assert retained(user).data == {"read_offset": 38, "unread": 2, "head": 40}
    assert Inbox.objects.get().read_offset == 38
    assert all(stands >= asked for asked, stands in returned)


@pytest.mark.proves("unread-count-is-exact")
def test_retained_count_is_right_during_concurrent_notifications(user, monkeypatch):
    monkeypatch.setattr(push, "send", lambda outgoing: True)
    notify_all(user, "first")
    states = []

    all_at_once(
        lambda: [notify_all(user, "more") for _ in range(20)],
        lambda: states.extend(mark_read(user, offset) for offset in range(1, 21)),
    )

    # All events are notifications, and offsets have no holes.
    assert [state.unread for state in states] == [
        state.head - state.read_offset for state in states
    ]


@pytest.mark.proves("unread-count-is-exact")
@pytest.mark.only_on("postgres")  # SQLite has one writer at a time.
def test_count_is_retained_before_another_notification(user, monkeypatch):
    monkeypatch.setattr(push, "send", lambda outgoing: True)
    notify_all(user, "a")
    ensure_row = inbox.ensure_row

    def tell_impatiently():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '100ms'")
            with pytest.raises(OperationalError, match="lock timeout"), transaction.atomic():
                notify(user, "b")

    def ensure_row_while_another_tells(*args):
        all_at_once(tell_impatiently)
        ensure_row(*args)

    monkeypatch.setattr(inbox, "ensure_row", ensure_row_while_another_tells)

    assert mark_read(user) == State(read_offset=1, unread=0, head=1)


def test_simultaneous_first_readings_make_one_row(user, monkeypatch):
    monkeypatch.setattr(push, "send", lambda outgoing: True)
    notify_all(user, "a", "b")

    all_at_once(lambda: mark_read(user, 1), lambda: mark_read(user, 2))

    assert Inbox.objects.get().read_offset == 2
