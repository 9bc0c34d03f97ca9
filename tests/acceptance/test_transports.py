"""One client that changes its transport in mid-stream, while events are being published."""

from __future__ import annotations

import http.client
import json
import threading
from contextlib import closing, contextmanager
from itertools import count

import pytest
from django.contrib.auth.models import User
from django.db import connections, transaction
from websockets.sync.client import connect

from notifications.api import tokens
from notifications.models import Event, Retained
from notifications.streams import backlog, publish
from notifications.streams.cursor import Cursor

pytestmark = pytest.mark.django_db(transaction=True)

TIMEOUT = 60.0
LEG = 40  # What comes over one transport before the client takes another.


class Publisher(threading.Thread):
    """Events and values, one transaction after the other, until it is stopped."""

    def __init__(self, stream):
        super().__init__()
        self._stream = stream
        self._enough = threading.Event()

    def run(self):
        try:
            for number in count():
                with transaction.atomic():
                    publish.append(self._stream, "counted", {"number": number})
                    publish.retain(self._stream, f"k{number % 3}", {"number": number})
                if self._enough.wait(0.005):  # Room for others who want the database.
                    return
        finally:
            connections.close_all()

    def stop(self):
        self._enough.set()
        self.join()


class Record:
    """What a client has seen of a stream, over whatever."""

    def __init__(self):
        self.cursor = None
        self.offsets = []
        self.values = {}
        self.count = 0

    def take(self, frame):
        if frame["type"] == "event":
            self.offsets.append(frame["offset"])
        else:
            assert frame["type"] == "state", frame
            self.values[frame["key"]] = frame["data"]
        self.cursor = frame["cursor"]
        self.count += 1


class Reader:
    """Takes a leg of a stream over each of the three transports, into one record."""

    def __init__(self, server, stream, token):
        self._server = server
        self._stream = stream
        self._headers = {"Authorization": f"Bearer {token}"}
        self.record = Record()

    def over_websocket(self, is_enough):
        with connect(
            self._server.websocket_url,
            subprotocols=["waybill.v1"],
            additional_headers=self._headers,
            proxy=None,
        ) as socket:
            subscribe = {"type": "subscribe", "streams": {self._stream: self.record.cursor}}
            socket.send(json.dumps(subscribe))
            while not is_enough():
                frame = json.loads(socket.recv(TIMEOUT))
                if frame["type"] in {"event", "state", "reset"}:
                    self.record.take(frame)
                    ack = {"type": "ack", "stream": self._stream, "cursor": frame["cursor"]}
                    socket.send(json.dumps(ack))

    def over_long_poll(self, is_enough):
        while not is_enough():
            with self._get(f"?after={self.record.cursor}&wait=20") as answer:
                polled = json.load(answer)
            assert polled["reset"] is None
            for frame in polled["frames"]:
                self.record.take(frame)
            self.record.cursor = polled["cursor"]

    def over_server_sent_events(self, is_enough):
        with self._get("/sse", {"Last-Event-ID": self.record.cursor}) as answer:
            while not is_enough():
                line = answer.readline().decode()
                if line.startswith("data: "):
                    self.record.take(json.loads(line.removeprefix("data: ")))

    @contextmanager
    def _get(self, rest, more=None):
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=TIMEOUT)
        headers = self._headers | (more or {})
        with closing(connection):
            connection.request("GET", f"/api/v1/streams/{self._stream}{rest}", headers=headers)
            with connection.getresponse() as answer:
                assert answer.status == 200
                yield answer


@pytest.mark.proves("transports-can-be-switched")
def test_client_that_switches_transports_misses_nothing(server):
    user = User.objects.create_user("ada")
    stream = f"user-{user.pk}"
    reader = Reader(server, stream, tokens.create(user))
    record = reader.record
    publisher = Publisher(stream)

    publisher.start()
    try:
        for leg, read in enumerate(
            [
                reader.over_websocket,
                reader.over_long_poll,
                reader.over_server_sent_events,
                reader.over_websocket,
                reader.over_server_sent_events,
                reader.over_long_poll,
            ],
            start=1,
        ):
            read(lambda leg=leg: record.count >= leg * LEG)
    finally:
        publisher.stop()
    head = Cursor.parse(backlog.current_cursor(stream))
    reader.over_websocket(lambda: Cursor.parse(record.cursor).covers(head))

    events = Event.objects.filter(stream__name=stream).order_by("offset")
    values = Retained.objects.filter(stream__name=stream)
    assert record.offsets == list(events.values_list("offset", flat=True))
    assert record.values == dict(values.values_list("key", "data"))
