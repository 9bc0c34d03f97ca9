"""The inbox: what is in it, what is unread, and that reading goes forward only."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.utils import timezone, translation

from notifications.inbox import inbox, notify
from notifications.inbox.inbox import State, mark_read
from notifications.inbox.types import Notice
from notifications.models import Event, Inbox, Mailing, Retained, Stream
from notifications.streams import publish, push
from notifications.streams.access import user_stream
from notifications.streams.prune import prune
from tests.support.streaming import connected, in_thread, session_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def user(django_user_model):
    return django_user_model.objects.create_user("reader")


@transaction.atomic
def tell(user, *titles, **more):
    return [notify(user, title, **more).offset for title in titles]


@transaction.atomic
def append(user, *types, **data):
    publish.append_many(user_stream(user), [(each, data) for each in types])


@contextmanager
def rolled_back():
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def titles(user, **query):
    return [entry.notice.title for entry in inbox.page(user, **query).entries]


def unread(user):
    return inbox.page(user).state.unread


def retained(user):
    return Retained.objects.get(stream__name=user_stream(user), key=inbox.KEY)


# -- Telling -----------------------------------------------------------------------------------


def test_what_is_told_is_in_the_inbox_the_newest_first(user):
    tell(user, "First")
    tell(user, "Second", body="More of it.", url="/reports/7/", level="warning")

    page = inbox.page(user)

    assert [entry.notice for entry in page.entries] == [
        Notice("Second", "More of it.", "/reports/7/", "warning"),
        Notice("First"),
    ]
    assert [(entry.offset, entry.read) for entry in page.entries] == [(2, False), (1, False)]
    assert page.state == State(read_offset=0, unread=2, head=2)


def test_what_is_rolled_back_was_never_told(user):
    with rolled_back():
        notify(user, "Gone")

    assert titles(user) == []


def test_outside_of_a_transaction_nobody_is_told_anything(user):
    with pytest.raises(publish.NotInTransaction):
        notify(user, "Lost")


@pytest.mark.parametrize(
    ("field", "given"),
    [
        *(("title", title) for title in ("", "  \t ", "two\nlines", "a\x00b", "x" * 301)),
        ("body", "x" * 4_001),
        *(
            ("url", url)
            for url in (
                "javascript:alert(1)",
                "JavaScript:alert(1)",
                "java\nscript:alert(1)",
                "javascript://x.example/%0aalert(1)",
                "data:text/html,x",
                "//evil.example/x",
                "/\\evil.example/x",
                "/\t/evil.example/x",
                " /x",
                "reports/7/",
                "https:",
                "http:///x",
                "http://[bad/",
                "/" + "x" * 2_000,
            )
        ),
        ("level", "panic"),
    ],
)
def test_what_cannot_be_shown_is_refused_by_name(user, field, given):
    fields = {"title": "A title", field: given}

    with pytest.raises(ValueError, match=f"^{field}: "), transaction.atomic():
        notify(user, **fields)

    assert titles(user) == []


@pytest.mark.parametrize("url", ["/", "/reports/7/?a=b#c", "https://x.example/y", "http://[::1]/"])
def test_a_link_that_leads_somewhere_is_taken(user, url):
    tell(user, "A title", url=url)

    assert inbox.page(user).entries[0].notice.url == url


# -- Which events ------------------------------------------------------------------------------


def test_only_events_of_registered_types_are_notifications(user, register):
    register("parcel.arrived", lambda data: Notice(f"Parcel {data['number']} is here"))
    append(user, "log", "parcel.arrived", "log", number=7)

    page = inbox.page(user)

    assert [entry.notice.title for entry in page.entries] == ["Parcel 7 is here"]
    assert page.state.unread == 1


def test_a_notification_speaks_the_language_of_who_reads_it(user, register):
    register("parcel", lambda data: Notice(f"parcel, {translation.get_language()}"))
    append(user, "parcel")

    with translation.override("de"):
        assert titles(user) == ["parcel, de"]
    with translation.override("en"):
        assert titles(user) == ["parcel, en"]


def test_one_that_its_app_cannot_describe_hides_no_others(user, register, caplog):
    register("parcel", lambda data: Notice(data["is no more"]))
    register("trap", lambda data: Notice("Look", url=data["url"]))
    append(user, "parcel", "trap", url="javascript:alert(1)")
    tell(user, "The next")

    found = inbox.page(user).entries

    assert [entry.notice.title for entry in found] == [
        "The next",
        "Something has happened (trap).",
        "Something has happened (parcel).",
    ]
    assert [entry.notice.url for entry in found] == ["", "", ""]
    assert "cannot be described" in caplog.text


# -- Pages -------------------------------------------------------------------------------------


def test_page_by_page_there_is_everything_once(user, register):
    tell(user, *"abcde")
    append(user, "log", "log")
    tell(user, *"fg")

    first = inbox.page(user, limit=3)
    second = inbox.page(user, before=first.next, limit=3)
    third = inbox.page(user, before=second.next, limit=3)

    found = [entry.notice.title for each in (first, second, third) for entry in each.entries]
    assert "".join(found) == "gfedcba"
    assert third.next is None


def test_a_page_that_is_just_full_leads_nowhere(user):
    tell(user, "a", "b")

    assert inbox.page(user, limit=2).next is None


def test_what_comes_while_a_page_is_made_is_left_to_the_cursor(user, monkeypatch):
    tell(user, "Before")
    cursor_of = inbox.current_cursor

    def and_then_one_more(name):
        cursor = cursor_of(name)
        tell(user, "Meanwhile")
        return cursor

    monkeypatch.setattr(inbox, "current_cursor", and_then_one_more)
    page = inbox.page(user)

    assert [entry.notice.title for entry in page.entries] == ["Before"]
    assert page.state == State(read_offset=0, unread=1, head=1)
    assert page.cursor.split(".")[1] == "1"


# -- Reading -----------------------------------------------------------------------------------


def test_reading_up_to_one_leaves_the_newer_ones_unread(user):
    _, second, _ = tell(user, "a", "b", "c")

    state = mark_read(user, second)

    assert state == State(read_offset=second, unread=1, head=3)
    assert [entry.read for entry in inbox.page(user).entries] == [False, True, True]
    assert inbox.page(user).state == state


def test_reading_all_is_up_to_the_newest_event_of_the_stream(user):
    tell(user, "a", "b")
    append(user, "log")

    assert mark_read(user) == State(read_offset=3, unread=0, head=3)


def test_an_offset_beyond_the_newest_event_reads_no_future_ones(user):
    tell(user, "a")

    mark_read(user, 1_000)
    tell(user, "b")

    assert unread(user) == 1


def test_reading_never_goes_back(user):
    tell(user, "a", "b", "c")
    mark_read(user, 3)

    assert mark_read(user, 1) == State(read_offset=3, unread=0, head=3)


def test_a_user_to_whom_nothing_ever_happened_may_read_it_all(user):
    assert mark_read(user) == State(read_offset=0, unread=0, head=0)


def test_what_one_reads_stays_unread_for_others(user, django_user_model):
    other = django_user_model.objects.create_user("other")
    tell(user, "a")
    tell(other, "b")

    mark_read(user)

    assert (unread(user), unread(other)) == (0, 1)


def test_a_move_is_retained_on_the_stream_and_no_move_is_not(user):
    tell(user, "a", "b")

    mark_read(user, 1)
    first = retained(user)
    mark_read(user, 1)

    assert first.data == {"read_offset": 1, "unread": 1, "head": 2}
    assert retained(user).revision == first.revision


def test_a_move_that_is_not_committed_is_not_retained(user):
    tell(user, "a")

    with rolled_back():
        mark_read(user)

    assert unread(user) == 1
    assert not Retained.objects.filter(key=inbox.KEY).exists()


def test_what_was_pruned_is_not_counted(user):
    tell(user, "a", "b", "c")
    Event.objects.filter(offset__lte=2).update(at=timezone.now() - timedelta(days=40))

    list(prune(timezone.now() - timedelta(days=30)))

    assert unread(user) == 1
    assert mark_read(user, 1) == State(read_offset=1, unread=1, head=3)


def test_a_stream_that_was_made_anew_begins_unread_and_keeps_the_preference(user):
    tell(user, "a", "b", "c")
    mark_read(user)
    inbox.choose_mailing(user, Mailing.NONE, "en")

    Stream.objects.all().delete()
    tell(user, "d", "e")

    assert unread(user) == 2
    assert mark_read(user, 1) == State(read_offset=1, unread=1, head=2)
    assert inbox.mailing(user) == Mailing.NONE


# -- On all devices ----------------------------------------------------------------------------


@pytest.fixture
def only_pushes(settings):
    """Nothing is found by looking: what arrives was pushed."""
    settings.NOTIFICATIONS_SWEEP_SECONDS = 3600.0


async def test_what_is_read_in_one_tab_is_read_in_all_at_once(user, only_pushes):
    stream, cookie = user_stream(user), await in_thread(session_of, user)
    await in_thread(tell, user, "a", "b", "c")
    page = await in_thread(inbox.page, user)

    async with connected(cookie=cookie) as laptop, connected(cookie=cookie) as phone:
        for socket in (laptop, phone):
            await socket.subscribe({stream: page.cursor})
        await in_thread(mark_read, user, 2)
        states = [await socket.next() for socket in (laptop, phone)]

    assert [(state["type"], state["key"], state["data"]) for state in states] == [
        ("state", "inbox", {"read_offset": 2, "unread": 1, "head": 3})
    ] * 2


async def test_what_one_is_told_reaches_all_tabs_at_once(user, only_pushes):
    stream, cookie = user_stream(user), await in_thread(session_of, user)
    page = await in_thread(inbox.page, user)

    async with connected(cookie=cookie) as laptop, connected(cookie=cookie) as phone:
        for socket in (laptop, phone):
            await socket.subscribe({stream: page.cursor})
        await in_thread(tell, user, "Your report is ready")
        events = [await socket.next() for socket in (laptop, phone)]

    assert [(event["event"], event["data"]["title"]) for event in events] == [
        ("notification", "Your report is ready")
    ] * 2


# -- At once -----------------------------------------------------------------------------------


def in_threads(*targets):
    """Run them at once. Each has a connection of its own, as a process has."""
    together = threading.Barrier(len(targets))
    problems = []

    def run(target):
        try:
            connection.ensure_connection()
            together.wait(60)
            target()
        except BaseException as error:  # noqa: BLE001 - told below
            problems.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[target]) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert problems == []


def test_readers_at_once_end_at_the_furthest_of_them(user, monkeypatch):
    monkeypatch.setattr(push, "send", lambda outgoing: True)
    tell(user, *(str(number) for number in range(40)))
    returned = []

    def read(offsets):
        returned.extend((offset, mark_read(user, offset).read_offset) for offset in offsets)

    in_threads(lambda: read(range(1, 38, 2)), lambda: read(range(38, 0, -2)))

    assert retained(user).data == {"read_offset": 38, "unread": 2, "head": 40}
    assert Inbox.objects.get().read_offset == 38
    assert all(stands >= asked for asked, stands in returned)


def test_what_is_retained_counts_right_while_others_tell(user, monkeypatch):
    monkeypatch.setattr(push, "send", lambda outgoing: True)
    tell(user, "first")
    states = []

    in_threads(
        lambda: [tell(user, "more") for _ in range(20)],
        lambda: states.extend(mark_read(user, offset) for offset in range(1, 21)),
    )

    # All events are notifications, and offsets have no holes.
    assert [state.unread for state in states] == [
        state.head - state.read_offset for state in states
    ]


@pytest.mark.only_on("postgres")  # SQLite has one writer at a time.
def test_nobody_tells_anything_between_the_count_and_its_being_retained(user, monkeypatch):
    monkeypatch.setattr(push, "send", lambda outgoing: True)
    tell(user, "a")
    ensure_row = inbox.ensure_row

    def tell_impatiently():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '100ms'")
            with pytest.raises(OperationalError, match="lock timeout"), transaction.atomic():
                notify(user, "b")

    def ensure_row_while_another_tells(*args):
        in_threads(tell_impatiently)
        ensure_row(*args)

    monkeypatch.setattr(inbox, "ensure_row", ensure_row_while_another_tells)

    assert mark_read(user) == State(read_offset=1, unread=0, head=1)


def test_two_first_readings_at_once_make_one_row(user, monkeypatch):
    monkeypatch.setattr(push, "send", lambda outgoing: True)
    tell(user, "a", "b")

    in_threads(lambda: mark_read(user, 1), lambda: mark_read(user, 2))

    assert Inbox.objects.get().read_offset == 2


# -- What it costs -----------------------------------------------------------------------------


def test_a_page_takes_as_many_queries_with_many_notifications(user, django_assert_num_queries):
    tell(user, *(str(number) for number in range(60)))
    mark_read(user, 10)

    with django_assert_num_queries(5):
        page = inbox.page(user)

    assert (len(page.entries), page.state.unread) == (50, 50)


def test_log_lines_are_not_read_to_count_and_to_list(user):
    tell(user, "a")
    for _ in range(20):
        append(user, *["log"] * 500)
    tell(user, "b")
    stream = Stream.objects.get(name=user_stream(user))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")

    unread = inbox._events(stream).filter(offset__gt=0, offset__lte=stream.head).order_by()
    plans = [unread.explain(), inbox._newest(stream, stream.head + 1, 51).explain()]

    assert titles(user) == ["b", "a"]
    assert ["event_of_a_type" in plan for plan in plans] == [True, True], plans
