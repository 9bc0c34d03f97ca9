"""The inbox: what is in it, page by page, and what that costs."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.utils import translation

from notifications.inbox import inbox, notify
from notifications.inbox.inbox import State, mark_read
from notifications.inbox.types import Notice
from notifications.models import Stream
from notifications.streams import publish
from notifications.streams.access import user_stream
from tests.support.inbox import append, notify_all, rolled_back, titles

pytestmark = pytest.mark.django_db(transaction=True)


# -- Telling -------------------------------------------------------------------------------------


def test_inbox_lists_the_newest_notification_first(user):
    notify_all(user, "First")
    notify_all(user, "Second", body="More of it.", url="/reports/7/", level="warning")

    page = inbox.page(user)

    assert [entry.notice for entry in page.entries] == [
        Notice("Second", "More of it.", "/reports/7/", "warning"),
        Notice("First"),
    ]
    assert [(entry.offset, entry.read) for entry in page.entries] == [(2, False), (1, False)]
    assert page.state == State(read_offset=0, unread=2, head=2)


@pytest.mark.proves("notifications-follow-commits")
def test_rolled_back_notification_is_never_delivered(user):
    with rolled_back():
        notify(user, "Gone")

    assert titles(user) == []


@pytest.mark.proves("notifications-follow-commits")
def test_notification_outside_of_a_transaction_is_refused(user):
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
def test_invalid_field_is_refused_by_name(user, field, given):
    fields = {"title": "A title", field: given}

    with pytest.raises(ValueError, match=f"^{field}: "), transaction.atomic():
        notify(user, **fields)

    assert titles(user) == []


@pytest.mark.parametrize("url", ["/", "/reports/7/?a=b#c", "https://x.example/y", "http://[::1]/"])
def test_valid_link_is_accepted(user, url):
    notify_all(user, "A title", url=url)

    assert inbox.page(user).entries[0].notice.url == url


# -- Which events --------------------------------------------------------------------------------


def test_only_events_of_registered_types_are_notifications(user, register):
    register("parcel.arrived", lambda data: Notice(f"Parcel {data['number']} is here"))
    append(user, "log", "parcel.arrived", "log", number=7)

    page = inbox.page(user)

    assert [entry.notice.title for entry in page.entries] == ["Parcel 7 is here"]
    assert page.state.unread == 1


def test_notification_is_in_the_readers_language(user, register):
    register("parcel", lambda data: Notice(f"parcel, {translation.get_language()}"))
    append(user, "parcel")

    with translation.override("de"):
        assert titles(user) == ["parcel, de"]
    with translation.override("en"):
        assert titles(user) == ["parcel, en"]


def test_undescribable_notification_hides_no_others(user, register, caplog):
    register("parcel", lambda data: Notice(data["is no more"]))
    register("trap", lambda data: Notice("Look", url=data["url"]))
    append(user, "parcel", "trap", url="javascript:alert(1)")
    notify_all(user, "The next")

    found = inbox.page(user).entries

    assert [entry.notice.title for entry in found] == [
        "The next",
        "New event (trap).",
        "New event (parcel).",
    ]
    assert [entry.notice.url for entry in found] == ["", "", ""]
    assert "cannot be described" in caplog.text


# -- Pages ---------------------------------------------------------------------------------------


def test_inbox_pages_list_everything_once(user, register):
    notify_all(user, *"abcde")
    append(user, "log", "log")
    notify_all(user, *"fg")

    first = inbox.page(user, limit=3)
    second = inbox.page(user, before=first.next, limit=3)
    third = inbox.page(user, before=second.next, limit=3)

    found = [entry.notice.title for each in (first, second, third) for entry in each.entries]
    assert "".join(found) == "gfedcba"
    assert third.next is None


def test_full_last_page_has_no_next(user):
    notify_all(user, "a", "b")

    assert inbox.page(user, limit=2).next is None


def test_notification_during_rendering_is_left_to_the_cursor(user, monkeypatch):
    notify_all(user, "Before")
    cursor_of = inbox.current_cursor

    def and_then_one_more(name):
        cursor = cursor_of(name)
        notify_all(user, "Meanwhile")
        return cursor

    monkeypatch.setattr(inbox, "current_cursor", and_then_one_more)
    page = inbox.page(user)

    assert [entry.notice.title for entry in page.entries] == ["Before"]
    assert page.state == State(read_offset=0, unread=1, head=1)
    assert page.cursor.split(".")[1] == "1"


# -- What it costs -------------------------------------------------------------------------------


def test_page_needs_a_constant_number_of_queries(user, django_assert_num_queries):
    notify_all(user, *(str(number) for number in range(60)))
    mark_read(user, 10)

    with django_assert_num_queries(5):
        page = inbox.page(user)

    assert (len(page.entries), page.state.unread) == (50, 50)


def test_log_lines_are_not_scanned_for_the_inbox(user):
    notify_all(user, "a")
    for _ in range(20):
        append(user, *["log"] * 500)
    notify_all(user, "b")
    stream = Stream.objects.get(name=user_stream(user))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")

    unread = inbox._events(stream).filter(offset__gt=0, offset__lte=stream.head).order_by()
    plans = [unread.explain(), inbox._newest(stream, stream.head + 1, 51).explain()]

    assert titles(user) == ["b", "a"]
    assert ["event_of_a_type" in plan for plan in plans] == [True, True], plans
