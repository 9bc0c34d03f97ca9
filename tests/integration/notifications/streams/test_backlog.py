"""What follows a cursor, read from the tables alone."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.utils import timezone

from notifications.models import Event, Retained, Stream
from notifications.streams import backlog, publish
from notifications.streams.cursor import Cursor
from tests.support.streaming import append, retain

pytestmark = pytest.mark.django_db

NAME = "user-1"


def read(after, limit=backlog.PAGE):
    return backlog.read(NAME, after, limit)


def cursor():
    return Cursor.parse(backlog.current_cursor(NAME))


def items_of(page):
    """The items of a page: offsets of events, and "key=n" for values."""
    return [
        item.position.offset if item.kind == "event" else f"{item.name}={item.data['n']}"
        for item in page.items
    ]


def read_all(after, limit):
    """Page after page, as a client does."""
    pages = [read(after, limit)]
    while pages[-1].more:
        pages.append(read(pages[-1].end, limit))
    return pages


def prune(floor):
    stream = Stream.objects.get(name=NAME)
    stream.events.filter(offset__lte=floor).delete()
    Stream.objects.filter(pk=stream.pk).update(floor=floor)


# -- where a stream stands -------------------------------------------------------------------


def test_unwritten_stream_has_a_cursor():
    first = cursor()

    append(NAME, "a")

    assert (first.offset, first.revision) == (0, 0)
    assert items_of(read(first)) == [1]


def test_current_cursor_covers_exactly_the_existing_items():
    append(NAME, "a", "b")
    retain(NAME, "k", n=1)

    now = cursor()
    append(NAME, "c")
    retain(NAME, "k", n=2)

    assert (now.offset, now.revision) == (2, 1)
    assert items_of(read(now)) == ["k=2", 3]


def test_heads_of_many_streams_are_read_in_one_query(django_assert_num_queries):
    append("user-1", "a")
    append("user-2", "a", "b")

    with django_assert_num_queries(1):
        heads = backlog.heads(["user-1", "user-2", "user-3"])

    assert {name: head.offset for name, head in heads.items()} == {"user-1": 1, "user-2": 2}


# -- from where ----------------------------------------------------------------------------


def test_read_from_the_start_has_values_before_events():
    append(NAME, "a")
    retain(NAME, "k", n=1)
    retain(NAME, "l", n=1)
    append(NAME, "b")
    retain(NAME, "k", n=2)

    page = read(None)

    assert items_of(page) == ["l=1", "k=2", 1, 2]
    assert page.reset is None
    assert not page.more
    assert page.end == cursor()


def test_latest_cursor_reads_nothing_and_gives_a_position():
    append(NAME, "a")
    retain(NAME, "k", n=1)

    page = read("latest")

    assert page.items == []
    assert page.start == page.end == cursor()


def test_read_after_a_cursor_has_newer_items_only():
    append(NAME, "a")
    retain(NAME, "k", n=1)
    retain(NAME, "l", n=1)
    since = cursor()
    append(NAME, "b")
    retain(NAME, "l", n=2)

    page = read(since)

    assert items_of(page) == ["l=2", 2]
    assert page.start == since


def test_items_have_the_position_after_them():
    append(NAME, "a", "b")
    retain(NAME, "k", n=1)

    positions = [item.position for item in read(None).items]

    epoch = Stream.objects.get(name=NAME).epoch
    assert positions == [Cursor(epoch, 0, 1), Cursor(epoch, 1, 1), Cursor(epoch, 2, 1)]


def test_read_at_the_end_is_empty():
    append(NAME, "a")

    page = read(cursor())

    assert (page.items, page.more, page.reset) == ([], False, None)


# -- pages ---------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6, 7, 8, 100])
def test_pages_together_give_each_item_once_and_in_order(limit):
    append(NAME, *"abcd")
    for key in "xyz":
        retain(NAME, key, n=1)

    pages = read_all(None, limit)

    assert [each for page in pages for each in items_of(page)] == ["x=1", "y=1", "z=1", 1, 2, 3, 4]
    assert all(len(page.items) <= limit for page in pages)
    assert [page.start for page in pages[1:]] == [page.end for page in pages[:-1]]
    assert pages[-1].end == cursor()


def test_page_never_exceeds_its_maximum(monkeypatch):
    monkeypatch.setattr(backlog, "PAGE", 2)
    append(NAME, "a", "b", "c")

    page = read(None, 1000)

    assert items_of(page) == [1, 2]
    assert page.more


def test_item_written_between_two_pages_is_on_the_next():
    append(NAME, "a", "b")
    retain(NAME, "k", n=1)
    first = read(None, 2)

    append(NAME, "c")
    retain(NAME, "k", n=2)

    assert items_of(first) == ["k=1", 1]
    assert items_of(read(first.end)) == ["k=2", 2, 3]


def test_value_replaced_before_its_page_comes_once():
    retain(NAME, "k", n=1)
    retain(NAME, "l", n=1)
    first = read(None, 1)

    retain(NAME, "l", n=2)

    assert items_of(first) == ["k=1"]
    assert items_of(read(first.end)) == ["l=2"]


# -- cursors that mean nothing any more ------------------------------------------------------


def test_cursor_before_the_pruned_events_is_reset():
    append(NAME, "a")
    old = cursor()
    append(NAME, "b", "c")
    retain(NAME, "k", n=1)
    prune(2)

    page = read(old)

    assert page.reset == "pruned"
    assert items_of(page) == ["k=1", 3]
    assert (page.start.offset, page.start.revision) == (2, 0)


def test_cursor_at_the_last_pruned_event_continues():
    append(NAME, "a", "b")
    at_floor = cursor()
    append(NAME, "c")
    prune(2)

    page = read(at_floor)

    assert page.reset is None
    assert items_of(page) == [3]


def test_start_of_a_pruned_stream_is_no_reset():
    append(NAME, "a", "b")
    prune(1)

    page = read(None)

    assert page.reset is None
    assert items_of(page) == [2]
    assert page.start.offset == 1


def test_stream_may_be_pruned_completely():
    append(NAME, "a", "b")
    retain(NAME, "k", n=1)
    prune(2)

    page = read(None)

    assert items_of(page) == ["k=1"]
    assert page.end == cursor()


def test_cursor_of_another_epoch_is_reset():
    append(NAME, "a")
    old = cursor()
    Stream.objects.all().delete()
    append(NAME, "b")

    page = read(old)

    assert page.reset == "epoch"
    assert items_of(page) == [1]
    assert page.start == Cursor(cursor().epoch, 0, 0)


@pytest.mark.parametrize(("offset", "revision"), [(2, 1), (1, 2), (10**18, 10**18)])
def test_cursor_ahead_of_a_restored_database_is_reset(offset, revision):
    append(NAME, "a")
    retain(NAME, "k", n=1)

    page = read(Cursor(cursor().epoch, offset, revision))

    assert page.reset == "epoch"
    assert items_of(page) == ["k=1", 1]


def test_reset_over_several_pages_is_reported_once():
    append(NAME, "a")
    old = cursor()
    append(NAME, "b", "c", "d")
    prune(2)

    pages = read_all(old, 1)

    assert [page.reset for page in pages[:2]] == ["pruned", None]
    assert [each for page in pages for each in items_of(page)] == [3, 4]


# -- writes in the middle of a read ------------------------------------------------------------


def in_between(monkeypatch, query, write):
    """Let `write` happen once, just before the read makes that query."""
    original, writes = getattr(backlog, query), [write]

    def intercepted(*args):
        if writes:
            writes.pop()()
        return original(*args)

    monkeypatch.setattr(backlog, query, intercepted)


@pytest.mark.parametrize("query", ["_states", "_events"])
def test_item_written_during_a_read_is_in_this_page_or_the_next(monkeypatch, query):
    append(NAME, "a")
    retain(NAME, "k", n=1)

    def write():
        with transaction.atomic():
            publish.append(NAME, "b", {})
            publish.retain(NAME, "k", {"n": 2})
            publish.retain(NAME, "l", {"n": 1})
            publish.append(NAME, "c", {})

    in_between(monkeypatch, query, write)

    first = read(None)
    second = read(first.end)

    both = items_of(first) + items_of(second)
    assert [each for each in both if isinstance(each, int)] == [1, 2, 3]
    values = [each for each in both if isinstance(each, str)]
    assert dict(each.split("=") for each in values) == {"k": "2", "l": "1"}
    assert len(values) == len(set(values)), "And nothing twice."
    assert second.end == cursor()


def test_pruning_during_a_read_gives_a_reset(monkeypatch):
    append(NAME, "a")
    old = cursor()
    append(NAME, "b", "c")
    in_between(monkeypatch, "_events", lambda: prune(2))

    page = read(old)

    assert page.reset == "pruned"
    assert items_of(page) == [3]


def test_pruning_during_a_read_from_the_start_leaves_no_gap(monkeypatch):
    append(NAME, "a", "b", "c")
    in_between(monkeypatch, "_events", lambda: prune(2))

    page = read(None)

    assert page.start.offset == 2
    assert items_of(page) == [3]


def test_deleting_the_stream_during_a_read_gives_a_reset(monkeypatch):
    append(NAME, "a", "b", "c")
    old = cursor()
    append(NAME, "d", "e")
    Event.objects.filter(offset=4).delete()
    in_between(monkeypatch, "_has_lost", lambda: Stream.objects.all().delete())

    page = read(old)

    assert page.reset == "epoch"
    assert items_of(page) == []


def test_lost_rows_are_skipped():
    """Rows that were lost. The replay command counts them; here nobody may wait for them."""
    append(NAME, "a", "b", "c")
    Event.objects.filter(offset=2).delete()
    Retained.objects.all().delete()

    assert items_of(read(None)) == [1, 3]
    assert items_of(read(Cursor(cursor().epoch, 1, 0))) == [3]


# -- what it costs ---------------------------------------------------------------------------


def explained(statement):
    words = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(f"{words} {statement}")
        return "\n".join(str(row) for row in cursor.fetchall())


def test_events_of_a_stream_are_found_by_an_existing_index():
    streams = Stream.objects.bulk_create(Stream(name=f"export-{n}", head=100) for n in range(100))
    Event.objects.bulk_create(
        Event(stream=stream, offset=offset, type="log", data={}, at=timezone.now())
        for stream in streams
        for offset in range(1, 101)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        indexes = connection.introspection.get_constraints(cursor, Event._meta.db_table).values()
    stream = streams[50]

    plans = [
        # The next page; all, up to an offset, when they are pruned; all, with their stream.
        stream.events.filter(offset__gt=90).order_by("offset")[:5].explain(),
        explained(
            f'DELETE FROM notifications_event WHERE stream_id = {stream.pk} AND "offset" <= 9'
        ),
        explained(f"DELETE FROM notifications_event WHERE stream_id IN ({stream.pk})"),
        # What PostgreSQL asks before it lets a stream go.
        explained(f"SELECT 1 FROM notifications_event WHERE stream_id = {stream.pk}"),
    ]

    for plan in plans:
        assert "SCAN notifications_event" not in plan, plan
        assert "Seq Scan on notifications_event" not in plan, plan
    assert ["stream_id"] not in [each["columns"] for each in indexes if each["index"]]
