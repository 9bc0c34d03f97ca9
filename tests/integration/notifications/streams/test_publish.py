"""Publishing: what is stored, in which order it becomes visible, and what is pushed of it."""

from __future__ import annotations

import asyncio
import os
import threading
import time
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.db import connection, connections, transaction

from notifications.models import Event, Retained, Stream
from notifications.streams import publish, push
from tests.support.streaming import append, retain

pytestmark = pytest.mark.django_db(transaction=True)

STREAM = "user-1"


@pytest.fixture(autouse=True)
def _zero_counters(monkeypatch):
    """Each test counts its own pushes."""
    monkeypatch.setattr(push, "counters", {"sent": 0, "failed": 0, "rested": 0})


def offsets(stream=STREAM):
    return list(Event.objects.filter(stream__name=stream).values_list("offset", flat=True))


@transaction.atomic
def publish_and_fail(name):
    publish.append(STREAM, name, {})
    publish.retain(STREAM, name, {})
    raise ZeroDivisionError


def names(message):
    return [item["name"] for item in message["items"]]


# -- what is stored --------------------------------------------------------------------------


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


def test_a_retained_value_replaces_the_one_before_it_under_a_new_revision():
    retain(STREAM, "a", n=1)
    retain(STREAM, "b", n=1)
    retain(STREAM, "a", n=2)

    assert list(Retained.objects.values_list("key", "revision", "data")) == [
        ("b", 2, {"n": 1}),
        ("a", 3, {"n": 2}),
    ]
    assert Stream.objects.get(name=STREAM).revision == 3


def test_outside_of_a_transaction_nothing_can_be_published():
    with pytest.raises(publish.NotInTransaction, match=r"inside transaction.atomic\(\)"):
        publish.append(STREAM, "a", {})
    with pytest.raises(publish.NotInTransaction):
        publish.retain(STREAM, "a", {})

    assert not Stream.objects.exists()


def test_what_is_stored_and_pushed_is_what_json_gives_back(pushed):
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
def test_a_character_that_cannot_be_kept_or_sent_is_replaced(pushed, bad):
    data = {f"k{bad}": [f"a{bad}b", {"deep": bad}, 1, None], "plain": "\U0001f4e6"}
    kept = {"k\ufffd": ["a\ufffdb", {"deep": "\ufffd"}, 1, None], "plain": "\U0001f4e6"}

    with transaction.atomic():
        publish.append(STREAM, "a", data)

    assert Event.objects.get().data == kept
    assert pushed[0][1]["items"][0]["data"] == kept


def test_what_only_looks_like_such_a_character_is_kept(pushed):
    data = {"text": "\U0001f4e6 \\u0000 \\ud800"}

    with transaction.atomic():
        publish.append(STREAM, "a", data)

    assert Event.objects.get().data == data
    assert pushed[0][1]["items"][0]["data"] == data


@pytest.mark.parametrize(
    "bad", [float("nan"), float("inf"), object()], ids=["NaN", "inf", "object"]
)
def test_what_json_cannot_hold_is_refused(bad):
    with pytest.raises((ValueError, TypeError), match="JSON"), transaction.atomic():
        publish.append(STREAM, "a", {"rate": bad})

    assert not Stream.objects.exists()


# -- what is pushed, and when ------------------------------------------------------------------


def test_a_transaction_pushes_one_message_for_each_stream_after_its_commit(pushed):
    with transaction.atomic():
        publish.append("team-1", "a", {})
        publish.append(STREAM, "b", {})
        publish.retain(STREAM, "k", {})
        publish.append(STREAM, "c", {})
        assert pushed == []

    assert [(group, names(message)) for group, message in pushed] == [
        ("team-1", ["a"]),
        (STREAM, ["b", "k", "c"]),
    ]
    message = pushed[1][1]
    stream = Stream.objects.get(name=STREAM)
    assert (message["epoch"], message["offset"], message["revision"]) == (stream.epoch, 2, 1)


def test_a_rollback_leaves_nothing_and_pushes_nothing(pushed):
    append(STREAM, "kept")
    pushed.clear()

    with pytest.raises(ZeroDivisionError):
        publish_and_fail("lost")

    assert pushed == []
    assert offsets() == [1]
    append(STREAM, "next")
    assert offsets() == [1, 2]
    assert not Retained.objects.exists()


def test_a_savepoint_that_rolls_back_takes_only_its_own_along(pushed):
    with transaction.atomic():
        publish.append(STREAM, "before", {})
        with pytest.raises(ZeroDivisionError):
            publish_and_fail("inside")
        publish.append(STREAM, "after", {})

    assert list(Event.objects.values_list("offset", "type")) == [(1, "before"), (2, "after")]
    assert [name for _, message in pushed for name in names(message)] == ["before", "after"]
    assert [item["offset"] for _, message in pushed for item in message["items"]] == [1, 2]


def test_a_savepoint_that_is_kept_is_pushed_with_the_rest(pushed):
    with transaction.atomic():
        publish.append(STREAM, "before", {})
        with transaction.atomic():
            publish.append(STREAM, "inside", {})
        with transaction.atomic():
            publish.append(STREAM, "in another", {})
        publish.append(STREAM, "after", {})

    assert sorted(name for _, message in pushed for name in names(message)) == [
        "after",
        "before",
        "in another",
        "inside",
    ]


def test_more_than_a_message_holds_goes_out_as_a_hint_without_items(pushed):
    with transaction.atomic():
        publish.append_many(STREAM, [("log", {})] * (push.MAX_ITEMS + 1))

    ((_, message),) = pushed
    assert message["items"] == []
    assert message["offset"] == push.MAX_ITEMS + 1


def test_a_push_that_fails_neither_raises_nor_undoes_anything(valkey, caplog):
    valkey.kill()

    append(STREAM, "a")

    assert offsets() == [1]
    assert push.counters["failed"] == 1
    assert "A push failed" in caplog.text


def test_after_a_failure_none_is_tried_for_a_while(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    tried = []

    async def fail(messages):
        tried.append(clock.now)
        raise ConnectionError

    monkeypatch.setattr(push, "_send", fail)
    monkeypatch.setattr(push, "time", SimpleNamespace(monotonic=lambda: clock.now))
    for clock.now in (100.0, 100.1, 100.0 + push.RETRY_AFTER - 0.1, 100.0 + push.RETRY_AFTER + 0.1):
        append(STREAM, "a")

    assert tried == [100.0, 100.0 + push.RETRY_AFTER + 0.1]
    assert push.counters == {"sent": 0, "failed": 2, "skipped": 2}
    assert offsets() == [1, 2, 3, 4]


def test_the_try_after_a_rest_is_a_short_one_until_something_arrives(monkeypatch):
    hangs = False

    async def send(messages):
        if hangs:
            await asyncio.Event().wait()

    monkeypatch.setattr(push, "_send", send)
    monkeypatch.setattr(push, "TIMEOUT", 3600.0)
    monkeypatch.setattr(push, "PROBE_TIMEOUT", 0.01)
    monkeypatch.setattr(push, "_retry_at", time.monotonic())

    hangs = True
    append(STREAM, "given up soon")
    assert push.counters == {"sent": 0, "failed": 1, "skipped": 0}

    monkeypatch.setattr(push, "_retry_at", time.monotonic())
    hangs = False
    append(STREAM, "arrives")
    monkeypatch.setattr(push, "TIMEOUT", 0.01)
    monkeypatch.setattr(push, "PROBE_TIMEOUT", 3600.0)
    hangs = True
    append(STREAM, "given all the time again")
    assert push.counters == {"sent": 1, "failed": 2, "skipped": 0}


def test_a_frozen_layer_costs_its_time_out_once(valkey):
    valkey.freeze()

    begin = time.monotonic()
    for _ in range(20):
        append(STREAM, "a")
    took = time.monotonic() - begin

    assert push.counters == {"sent": 0, "failed": 1, "skipped": 19}
    assert took < push.TIMEOUT * 10  # And not 20 times it.
    assert offsets() == list(range(1, 21))


def test_a_process_that_is_muted_pushes_nothing_and_then_again(monkeypatch):
    sent = []

    async def send(messages):
        sent.append(messages)

    monkeypatch.setattr(push, "_send", send)
    with push.muted():
        append(STREAM, "a")
    assert not sent
    append(STREAM, "b")

    assert [message["offset"] for message in sent[0].values()] == [2]


def test_pushing_goes_on_when_the_layer_is_back(valkey, monkeypatch):
    valkey.kill()
    append(STREAM, "a")
    valkey.restart()
    monkeypatch.setattr(push, "_retry_at", 0.0)

    append(STREAM, "b")

    assert push.counters == {"sent": 1, "failed": 1, "skipped": 0}


def test_a_layer_that_raises_anything_at_all_does_not_reach_the_caller(monkeypatch):
    async def break_down(messages):
        raise RuntimeError("not what a layer should raise")

    monkeypatch.setattr(push, "_send", break_down)
    reached = []

    with transaction.atomic():
        publish.append(STREAM, "a", {})
        transaction.on_commit(lambda: reached.append("the next hook"))

    assert reached == ["the next hook"]


# -- several at once ----------------------------------------------------------------------------


def in_threads(*targets):
    """Run them at once. Each has a connection of its own, as a process has."""
    problems = []

    def run(target):
        try:
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


WRITERS, EACH = 4, 25


def test_a_poller_misses_nothing_that_concurrent_transactions_write(monkeypatch):
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
        in_threads(*(lambda number=number: write(number) for number in range(WRITERS)))
    finally:
        over.set()
        poller.join(60)

    everything = 1 + WRITERS * sum(1 + turn % 3 for turn in range(EACH))
    assert offsets() == list(range(1, everything + 1))
    assert seen == offsets()


def test_a_stream_that_two_transactions_make_at_once_is_one(monkeypatch):
    monkeypatch.setattr(push, "send", lambda outgoing: True)
    together = threading.Barrier(2)

    def make():
        connection.ensure_connection()
        together.wait(30)
        append(STREAM, "a")

    in_threads(make, make)

    assert Stream.objects.count() == 1
    assert offsets() == [1, 2]


@pytest.mark.only_on("postgres")
def test_a_transaction_waits_for_the_one_that_took_its_numbers_first(monkeypatch):
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

    in_threads(slow, quick)

    assert list(Event.objects.values_list("offset", "type")) == [
        (1, "first"),
        (2, "slow"),
        (3, "quick"),
    ]
