"""The hub drops and counts messages that make no sense, or that somebody else wrote."""

from __future__ import annotations

import pytest

from notifications.delivery import hub
from notifications.streams import signed
from tests.support.hub import RecordingSubscriber
from tests.support.streaming import append_events, eventually

pytestmark = pytest.mark.django_db(transaction=True)


# -- what makes no sense -------------------------------------------------------------------------


def message(**changes):
    item = {"kind": "event", "offset": 1, "revision": 0, "name": "a", "data": {}, "at": "then"}
    whole = {"type": "stream.push", "stream": "user-1", "epoch": "e", "offset": 1, "revision": 0}
    return {**whole, "items": [item], **changes}


@pytest.mark.parametrize(
    "poison",
    [
        {},
        {"type": "something.else"},
        message(offset="many"),
        message(items=None),
        message(items=[1]),
        message(items=[{"kind": "event"}]),
        message(items=[{**message()["items"][0], "data": None}]),
        message(stream=["user-1"]),
    ],
)
async def test_malformed_message_is_counted_and_dropped(subscriber, poison):
    the_hub = hub.current()
    await the_hub.follow("user-1", subscriber)

    await the_hub._layer.group_send("user-1", signed.sign(poison))
    await append_events("user-1", "a")

    await eventually(lambda: subscriber.names == ["a"])
    assert the_hub.counters["poison"] == 1


async def test_malformed_bytes_are_counted_and_dropped(subscriber, valkey):
    the_hub = hub.current()
    await the_hub.follow("user-1", subscriber)

    with valkey.client() as client:
        for garbage in (b"", b"\xc1", b"hello", b"\x81\xa1k", b"\x93\x01\x02\x03", b"\x07"):
            client.publish("waybill__group__user-1", garbage)
    await append_events("user-1", "a")

    await eventually(lambda: subscriber.names == ["a"])
    assert the_hub.counters["poison"] == 6


# -- what somebody else has written --------------------------------------------------------------


async def captured(the_hub, subscriber):
    """A push as it goes over the layer, of an event that `subscriber` has got."""
    receive, found = the_hub._receive, []
    the_hub._receive = lambda given: (found.append(given), receive(given))
    await append_events("user-1", "a")
    await eventually(lambda: subscriber.names == ["a"])
    del the_hub._receive
    return found[0]


def with_another_key(message, settings):
    ours, settings.SECRET_KEY = settings.SECRET_KEY, "of somebody else" * 5
    forged = signed.sign(message)
    settings.SECRET_KEY = ours
    return forged


@pytest.mark.proves("pushes-cannot-be-forged")
@pytest.mark.parametrize("way", ["key", "changed", "cut off", "none", "unsigned", "no text"])
async def test_forged_push_is_counted_and_not_delivered(subscriber, valkey, settings, way):
    the_hub = hub.current()
    await the_hub.follow("user-1", subscriber)
    real = await captured(the_hub, subscriber)
    text = real["signed"].rpartition(":")[0]
    next_one = message(epoch="", offset=2)
    forged = {
        "key": with_another_key(next_one, settings),
        "changed": {**real, "signed": real["signed"].replace('"offset":1', '"offset":2')},
        "cut off": {**real, "signed": real["signed"][:-1]},
        "none": {**real, "signed": text},
        "unsigned": next_one,
        "no text": {**real, "signed": {"$": text}},
    }[way]

    with valkey.client() as client:
        assert client.publish("waybill__group__user-1", the_hub._layer.serialize(forged)) == 1
    await append_events("user-1", "b")

    await eventually(lambda: subscriber.names == ["a", "b"])
    counters = the_hub.counters
    assert (counters["forged"] + counters["poison"], counters["received"]) == (1, 2)
    assert counters["forged"] == (way not in {"unsigned", "no text"})


@pytest.mark.proves("pushes-cannot-be-forged")
async def test_replayed_push_is_counted(subscriber, valkey):
    the_hub = hub.current()
    await the_hub.follow("user-1", subscriber)
    real = await captured(the_hub, subscriber)

    with valkey.client() as client:
        for _ in range(3):
            client.publish("waybill__group__user-1", the_hub._layer.serialize(real))

    await eventually(lambda: the_hub.counters["repeated"] == 3)


@pytest.mark.proves("pushes-cannot-be-forged")
async def test_push_replayed_in_another_group_is_not_delivered(subscriber, valkey):
    the_hub, other = hub.current(), RecordingSubscriber()
    await the_hub.follow("user-1", subscriber)
    await the_hub.follow("user-2", other)
    real = await captured(the_hub, subscriber)

    with valkey.client() as client:
        client.publish("waybill__group__user-2", the_hub._layer.serialize(real))

    await eventually(lambda: the_hub.counters["repeated"] == 1)
    assert other.names == []


@pytest.mark.proves("pushes-cannot-be-forged")
async def test_flood_of_forged_pushes_is_logged_once(subscriber, valkey, settings, caplog):
    the_hub = hub.current()
    await the_hub.follow("user-1", subscriber)
    forged = the_hub._layer.serialize(with_another_key(message(), settings))

    with valkey.client() as client:
        for _ in range(100):
            client.publish("waybill__group__user-1", forged)

    await eventually(lambda: the_hub.counters["forged"] == 100)
    assert caplog.text.count("Dropped a message of the channel layer") == 1
