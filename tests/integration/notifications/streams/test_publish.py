"""Publishing: what is stored, and in which order it becomes visible."""

from __future__ import annotations

import os
import threading
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.db import connection, connections, transaction

from notifications.models import Event, Retained, Stream
from notifications.streams import publish, push
from tests.support.at_once import all_at_once
from tests.support.publishing import STREAM, offsets
from tests.support.streaming import append, retain

pytestmark = pytest.mark.django_db(transaction=True)


# -- what is stored ------------------------------------------------------------------------------


def test_offsets_are_gapless_over_transactions():
    append(STREAM, "a")
    append(STREAM, "b", "c")
    append("user-2", "z")
    append(STREAM, "d")

    assert list(Event.objects.filter(stream__name=STREAM).values_list("offset", "type")) == [
        (1, "a"),
        (2, "b"),
        (3, "c"),
        (4, "d"),
    ]
    assert Stream.objects.get(name=STREAM).head == 4


def test_append_returns_the_event_with_its_offset():
    with transaction.atomic():
        first = publish.append(STREAM, "a", {"n": 1})
        second, third = publish.append_many(STREAM, [("b", {}), ("c", {})])

    assert [first.offset, second.offset, third.offset] == [1, 2, 3]
    assert Event.objects.get(offset=1).data == {"n": 1}


def test_appending_nothing_makes_no_stream():
    with transaction.atomic():
        assert publish.append_many(STREAM, []) == []

    assert not Stream.objects.exists()


def test_retained_value_replaces_the_previous_one():
    retain(STREAM, "a", n=1)
    retain(STREAM, "b", n=1)
    retain(STREAM, "a", n=2)

    assert list(Retained.objects.values_list("key", "revision", "data")) == [
        ("b", 2, {"n": 1}),
        ("a", 3, {"n": 2}),
    ]
    assert Stream.objects.get(name=STREAM).revision == 3


def test_publishing_needs_a_transaction():
    with pytest.raises(publish.NotInTransaction, match=r"inside transaction.atomic\(\)"):
        publish.append(STREAM, "a", {})
    with pytest.raises(publish.NotInTransaction):
        publish.retain(STREAM, "a", {})

    assert not Stream.objects.exists()


def test_stored_and_pushed_data_is_plain_json(pushed):
    some_id = uuid.UUID(int=7)
    data = {
        "at": datetime(2026, 11, 21, 10, 30, tzinfo=UTC),
        "on": date(2026, 11, 21),
        "id": some_id,
        "price": Decimal("1.50"),
        "rows": (1, 2),
        3: None,
    }
    plain = {
        "at": "2026-11-21T10:30:00Z",
        "on": "2026-11-21",
        "id": str(some_id),
        "price": "1.50",
        "rows": [1, 2],
        "3": None,
    }

    with transaction.atomic():
        publish.append(STREAM, "a", data)
        publish.retain(STREAM, "k", data)

    assert Event.objects.get().data == plain
    assert Retained.objects.get().data == plain
    ((_, message),) = pushed
    assert [item["data"] for item in message["items"]] == [plain, plain]


@pytest.mark.parametrize("bad", ["\0", chr(0xD800), os.fsdecode(b"\x9f")])
def test_unstorable_character_is_replaced(pushed, bad):
    data = {f"k{bad}": [f"a{bad}b", {"deep": bad}, 1, None], "plain": "\U0001f4e6"}
    kept = {"k\ufffd": ["a\ufffdb", {"deep": "\ufffd"}, 1, None], "plain": "\U0001f4e6"}

    with transaction.atomic():
        publish.append(STREAM, "a", data)

    assert Event.objects.get().data == kept
    assert pushed[0][1]["items"][0]["data"] == kept


def test_text_that_resembles_an_escape_is_kept(pushed):
    data = {"text": "\U0001f4e6 \\u0000 \\ud800"}

    with transaction.atomic():
        publish.append(STREAM, "a", data)

    assert Event.objects.get().data == data
    assert pushed[0][1]["items"][0]["data"] == data


@pytest.mark.parametrize(
    "bad", [float("nan"), float("inf"), object()], ids=["NaN", "inf", "object"]
)
def test_value_that_json_cannot_hold_is_refused(bad):
    with pytest.raises((ValueError, TypeError), match="JSON"), transaction.atomic():
        publish.append(STREAM, "a", {"rate": bad})

    assert not Stream.objects.exists()


# -- several at once -----------------------------------------------------------------------------


WRITERS, EACH = 4, 15


def test_poller_misses_no_event_of_concurrent_transactions(monkeypatch):
    monkeypatch.setattr(push, "send", lambda outgoing: True)
    append(STREAM, "first")
    seen = [1]
    over = threading.Event()

    def write(number):
        for turn in range(EACH):
            with transaction.atomic():
                # Some transactions take long between their first statement and their commit.
                Stream.objects.filter(name="nobody").exists()
                publish.append_many(STREAM, [(f"{number}-{turn}", {})] * (1 + turn % 3))
                if turn % 5 == number:
                    over.wait(0.005)
            # SQLite is not fair: a writer that never pauses can starve another one for 20 s.
            over.wait(0.01)

    def poll():
        while True:
            is_over = over.is_set()
            found = Event.objects.filter(offset__gt=seen[-1]).order_by("offset")
            seen.extend(found.values_list("offset", flat=True))
            if is_over:
                return

    poller = threading.Thread(target=lambda: (poll(), connections.close_all()))
    poller.start()
    try:
        all_at_once(*(lambda number=number: write(number) for number in range(WRITERS)))
    finally:
        over.set()
        poller.join(60)

    everything = 1 + WRITERS * sum(1 + turn % 3 for turn in range(EACH))
    assert offsets() == list(range(1, everything + 1))
    assert seen == offsets()


def test_stream_created_by_two_transactions_at_once_is_one(monkeypatch):
    monkeypatch.setattr(push, "send", lambda outgoing: True)

    all_at_once(*[lambda: append(STREAM, "a")] * 2)

    assert Stream.objects.count() == 1
    assert offsets() == [1, 2]


@pytest.mark.only_on("postgres")
def test_transaction_waits_for_the_earlier_holder_of_the_stream(monkeypatch):
    monkeypatch.setattr(push, "send", lambda outgoing: True)
    append(STREAM, "first")
    has_written, may_commit = threading.Event(), threading.Event()

    def slow():
        with transaction.atomic():
            publish.append(STREAM, "slow", {})
            has_written.set()
            may_commit.wait(30)

    def quick():
        has_written.wait(30)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '100ms'")
            with pytest.raises(Exception, match="lock timeout"), transaction.atomic():
                publish.append(STREAM, "quick", {})
        may_commit.set()
        append(STREAM, "quick")

    all_at_once(slow, quick)

    assert list(Event.objects.values_list("offset", "type")) == [
        (1, "first"),
        (2, "slow"),
        (3, "quick"),
    ]
