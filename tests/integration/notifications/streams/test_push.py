"""What is pushed, when, and what a push that fails costs."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest
from django.db import transaction

from notifications.models import Event, Retained, Stream
from notifications.streams import publish, push
from tests.support.publishing import STREAM, offsets
from tests.support.streaming import append

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _zero_counters(monkeypatch):
    """Each test counts its own pushes."""
    monkeypatch.setattr(push, "counters", {"sent": 0, "failed": 0, "skipped": 0})


@transaction.atomic
def publish_and_fail(name):
    publish.append(STREAM, name, {})
    publish.retain(STREAM, name, {})
    raise ZeroDivisionError


def names(message):
    return [item["name"] for item in message["items"]]


def test_transaction_pushes_one_message_a_stream_after_commit(pushed):
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


def test_rolled_back_events_are_neither_stored_nor_pushed(pushed):
    append(STREAM, "kept")
    pushed.clear()

    with pytest.raises(ZeroDivisionError):
        publish_and_fail("lost")

    assert pushed == []
    assert offsets() == [1]
    append(STREAM, "next")
    assert offsets() == [1, 2]
    assert not Retained.objects.exists()


def test_rolled_back_savepoint_takes_only_its_own_events(pushed):
    with transaction.atomic():
        publish.append(STREAM, "before", {})
        with pytest.raises(ZeroDivisionError):
            publish_and_fail("inside")
        publish.append(STREAM, "after", {})

    assert list(Event.objects.values_list("offset", "type")) == [(1, "before"), (2, "after")]
    assert [name for _, message in pushed for name in names(message)] == ["before", "after"]
    assert [item["offset"] for _, message in pushed for item in message["items"]] == [1, 2]


def test_released_savepoint_is_pushed_with_the_rest(pushed):
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


def test_push_with_too_many_items_is_sent_without_items(pushed):
    with transaction.atomic():
        publish.append_many(STREAM, [("log", {})] * (push.MAX_ITEMS + 1))

    ((_, message),) = pushed
    assert message["items"] == []
    assert message["offset"] == push.MAX_ITEMS + 1


def test_failed_push_neither_raises_nor_undoes_anything(valkey, caplog):
    valkey.kill()

    append(STREAM, "a")

    assert offsets() == [1]
    assert push.counters["failed"] == 1
    assert "A push failed" in caplog.text


def test_failed_push_suspends_pushing_for_a_while(monkeypatch):
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


def test_first_push_after_a_pause_has_a_short_timeout(monkeypatch):
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


@pytest.mark.proves("pushing-leaves-nothing-behind")
def test_frozen_layer_costs_its_timeout_once(valkey):
    valkey.freeze()

    begin = time.monotonic()
    for _ in range(20):
        append(STREAM, "a")
    took = time.monotonic() - begin

    assert push.counters == {"sent": 0, "failed": 1, "skipped": 19}
    assert took < push.TIMEOUT * 10  # And not 20 times it.
    assert offsets() == list(range(1, 21))


def test_muted_process_pushes_nothing(monkeypatch):
    sent = []

    async def send(messages):
        sent.append(messages)

    monkeypatch.setattr(push, "_send", send)
    with push.muted():
        append(STREAM, "a")
    assert not sent
    append(STREAM, "b")

    assert [message["offset"] for message in sent[0].values()] == [2]


def test_pushing_resumes_when_the_layer_is_back(valkey, monkeypatch):
    valkey.kill()
    append(STREAM, "a")
    valkey.restart()
    monkeypatch.setattr(push, "_retry_at", 0.0)

    append(STREAM, "b")

    assert push.counters == {"sent": 1, "failed": 1, "skipped": 0}


def test_exception_of_the_layer_does_not_reach_the_caller(monkeypatch):
    async def break_down(messages):
        raise RuntimeError("not what a layer should raise")

    monkeypatch.setattr(push, "_send", break_down)
    reached = []

    with transaction.atomic():
        publish.append(STREAM, "a", {})
        transaction.on_commit(lambda: reached.append("the next hook"))

    assert reached == ["the next hook"]
