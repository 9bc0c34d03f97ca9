"""The wire: what is accepted from a client, what it is sent, and what goes over the layer."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from notifications.protocol import frames
from notifications.protocol.frames import CloseCode
from notifications.streams import push
from notifications.streams.cursor import Cursor
from notifications.streams.items import Item


def parse(text):
    return frames.client_frames.validate_json(text)


def complaint(text):
    """Where the first mistake is, and what it is."""
    with pytest.raises(ValidationError) as refusal:
        parse(text)
    first = refusal.value.errors()[0]
    return ".".join(map(str, first["loc"])), first["msg"]


def event(offset=131, revision=7, data=None):
    position = Cursor("epoch", offset, revision)
    return Item("user-42", position, "event", "export.succeeded", data or {"n": 1}, "then")


# -- client to server ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        (
            '{"type":"subscribe","streams":{"user-42":"e.1.2","export-1":null,"team.a_b-7":"latest"}}',
            frames.Subscribe(
                streams={"user-42": "e.1.2", "export-1": None, "team.a_b-7": "latest"}
            ),
        ),
        ('{"type":"unsubscribe","streams":["user-42"]}', frames.Unsubscribe(streams=["user-42"])),
        (
            '{"type":"ack","stream":"user-42","cursor":"e.1.2"}',
            frames.Ack(stream="user-42", cursor="e.1.2"),
        ),
        ('{"type":"ping","id":"7"}', frames.Ping(id="7")),
        ('{"type":"ping"}', frames.Ping(id="")),
    ],
)
def test_valid_frame_is_understood(text, frame):
    assert parse(text) == frame


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", ""),
        ("hello", ""),
        ("[]", ""),
        ("null", ""),
        ("{}", ""),
        ('{"type":"dance"}', ""),
        ('{"type":"subscribe"}', "subscribe.streams"),
        ('{"type":"subscribe","streams":["user-42"]}', "subscribe.streams"),
        ('{"type":"subscribe","streams":{"user-42":7}}', "subscribe.streams.user-42"),
        ('{"type":"unsubscribe","streams":["a:b"]}', "unsubscribe.streams.0"),
        ('{"type":"ack","stream":"user-42"}', "ack.cursor"),
        ('{"type":"ping","id":7}', "ping.id"),
        ('{"type":"ping","id":"%s"}' % ("x" * 101), "ping.id"),
        ('{"type":"ping","ID":"7"}', "ping.ID"),
        ('{"type":"subscribe","streams":{},"after":"e.1.2"}', "subscribe.after"),
    ],
)
def test_invalid_frame_is_refused_with_its_field(text, where):
    assert complaint(text)[0] == where


def test_stream_names_fit_the_channel_layer():
    longest = "a" * 99

    assert parse(f'{{"type":"unsubscribe","streams":["{longest}"]}}').streams == [longest]
    assert complaint(f'{{"type":"unsubscribe","streams":["{longest}a"]}}')[0]
    assert complaint('{"type":"unsubscribe","streams":["usér-1"]}')[0]


@pytest.mark.parametrize("name", ["", "user 42", "usér-1", "a" * 1_000])
def test_impossible_stream_name_is_no_error_of_the_frame(name):
    assert parse(json.dumps({"type": "subscribe", "streams": {name: None}})).streams == {name: None}
    assert complaint(json.dumps({"type": "subscribe", "streams": {"a" * 1_001: None}}))


# -- server to client ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "wire"),
    [
        (
            frames.Welcome(user=42, streams=["user-42", "team-7"], window=256, heartbeat=20),
            {
                "type": "welcome",
                "protocol": 1,
                "user": 42,
                "streams": ["user-42", "team-7"],
                "window": 256,
                "heartbeat": 20.0,
            },
        ),
        (
            frames.Subscribed(stream="user-42", cursor="e.1.2", recovered=True),
            {"type": "subscribed", "stream": "user-42", "cursor": "e.1.2", "recovered": True},
        ),
        (
            frames.Reset(stream="user-42", reason="pruned"),
            {"type": "reset", "stream": "user-42", "reason": "pruned"},
        ),
        (
            frames.Heartbeat(heads={"user-42": "e.1.2"}),
            {"type": "heartbeat", "heads": {"user-42": "e.1.2"}},
        ),
        (frames.Pong(id="7"), {"type": "pong", "id": "7"}),
        (
            frames.ErrorFrame(code="forbidden", detail="No.", stream="user-1"),
            {"type": "error", "code": "forbidden", "detail": "No.", "stream": "user-1"},
        ),
    ],
)
def test_server_frame_has_its_json(frame, wire):
    assert json.loads(frame.model_dump_json()) == wire


def test_event_has_its_json():
    item = event()

    assert json.loads(item.frame(item.position)) == {
        "type": "event",
        "stream": "user-42",
        "offset": 131,
        "cursor": "epoch.131.7",
        "event": "export.succeeded",
        "data": {"n": 1},
        "at": "then",
    }


def test_value_has_its_json():
    item = Item("user-42", Cursor("epoch", 131, 77), "state", "export-1", {"n": 1}, "then")

    assert json.loads(item.frame(item.position)) == {
        "type": "state",
        "stream": "user-42",
        "key": "export-1",
        "revision": 77,
        "cursor": "epoch.131.77",
        "data": {"n": 1},
        "at": "then",
    }


def test_shared_frame_gets_the_cursor_of_each_client():
    item = event()

    shared = json.loads(item.frame(item.position))
    ahead = json.loads(item.frame(Cursor("epoch", 131, 9)))
    shared_again = json.loads(item.frame(item.position))

    assert [each["cursor"] for each in (shared, ahead, shared_again)] == [
        "epoch.131.7",
        "epoch.131.9",
        "epoch.131.7",
    ]


def test_frame_for_many_clients_is_encoded_once():
    item = event()

    assert item.frame(Cursor("epoch", 131, 7)) is item.frame(Cursor("epoch", 131, 7))


def test_close_codes_have_their_numbers():
    assert {each.name: each.value for each in CloseCode} == {
        "BAD_CLIENT": 4400,
        "SIGNED_OUT": 4401,
        "STALLED": 4408,
        "FAILED": 4500,
        "RESTART": 1012,
        "TRY_LATER": 1013,
    }


# -- over the layer ----------------------------------------------------------------------------


def test_item_survives_the_channel_layer():
    items = [event(), Item("user-42", Cursor("epoch", 131, 8), "state", "k", {"a": [1]}, "then")]

    message = push.messages(items)["user-42"]

    assert [Item.from_message("user-42", "epoch", each) for each in message["items"]] == items


@pytest.mark.parametrize(
    "spoiled",
    [
        {"offset": None},
        {"offset": "many"},
        {"revision": []},
        {"name": 7},
        {"name": None},
        {"data": []},
        {"data": "text"},
        {"data": {1: 2}},
        {"at": None},
    ],
)
def test_malformed_item_of_a_message_is_refused(spoiled):
    message = {**event().to_message(), **spoiled}

    with pytest.raises((TypeError, ValueError)):
        Item.from_message("user-42", "epoch", message)


@pytest.mark.parametrize("missing", ["kind", "offset", "revision", "name", "data", "at"])
def test_incomplete_item_of_a_message_is_refused(missing):
    message = event().to_message()
    del message[missing]

    with pytest.raises(KeyError):
        Item.from_message("user-42", "epoch", message)
