"""Browser tabs that apply and check frames, and the rows that the database has for them."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from notifications.models import Event, Retained
from notifications.streams.cursor import Cursor
from tests.support.streaming import Socket, headers

WINDOW = 3  # The server sends so many unacknowledged frames.


class Ledger:
    """The committed rows, as the test records them. Each row has its own number."""

    def __init__(self) -> None:
        self.count = 0
        self.facts: dict[tuple[str, str, str, int], int] = {}

    def note(self, kind: str, stream: str, epoch: str, place: int, number: int) -> None:
        self.facts[kind, stream, epoch, place] = number


@dataclass
class Place:
    """The state of one stream in a client."""

    cursor: Cursor | None = None
    # The client must have every event and every value after these.
    offset: int = 0
    revision: int = 0
    events: dict[int, int] = field(default_factory=dict)
    values: dict[str, tuple[int, int]] = field(default_factory=dict)

    def begin(self, start: Cursor, requested: str | None) -> None:
        if self.cursor is None:
            self.offset = start.offset
            self.revision = start.revision if requested == "latest" else 0
        self.cursor = start

    def take(self, frame: dict[str, Any], ledger: Ledger) -> None:
        cursor = Cursor.parse(frame["cursor"])
        before = self.cursor
        if before is not None:
            assert cursor.covers(before), "A cursor moves back only after a reset."
        number = frame["data"]["n"]
        if frame["type"] == "event":
            offset = frame["offset"]
            assert offset == cursor.offset
            assert before is None or offset == before.offset + 1, "Once, and in order."
            self.events[offset] = number
            fact = ("event", frame["stream"], cursor.epoch, offset)
        else:
            revision = frame["revision"]
            assert before is None or revision > before.revision, "Newer than any before."
            self.values[frame["key"]] = (revision, number)
            fact = (frame["key"], frame["stream"], cursor.epoch, revision)
        assert ledger.facts[fact] == number, "The frame has what was committed."
        self.cursor = cursor

    def has(self, table: Table) -> bool:
        """Return whether the client has all stored items that it requested.

        They are compared by number, because offsets start again in a new stream.
        """
        return all(
            self.events.get(offset) == number
            for offset, number in table.events.items()
            if offset > self.offset
        ) and all(
            self.values.get(key) == (revision, number)
            for key, (revision, number) in table.values.items()
            if revision > self.revision
        )


@dataclass
class Table:
    """The stored rows of one stream."""

    events: dict[int, int]
    values: dict[str, tuple[int, int]]

    @classmethod
    def of(cls, stream: str) -> Table:
        events = Event.objects.filter(stream__name=stream)
        values = Retained.objects.filter(stream__name=stream)
        return cls(
            dict(events.values_list("offset", "data__n")),
            {key: (at, n) for key, at, n in values.values_list("key", "revision", "data__n")},
        )


class Tab:
    """One page: at most one connection, and the state of its streams."""

    def __init__(self, cookie: str, streams: list[str], ledger: Ledger) -> None:
        self.cookie = cookie
        self.streams = streams
        self.ledger = ledger
        self.places = {stream: Place() for stream in streams}
        # The state at each cursor that the client ever had.
        self.memory: dict[str, list[Place]] = {stream: [] for stream in streams}
        self.unacked: dict[str, list[str]] = {stream: [] for stream in streams}
        self.requests: dict[str, str | None] = {}  # Subscriptions without a reply so far.
        self.follows: set[str] = set()
        self.acknowledges = True
        self.socket: Socket | None = None
        self.reader: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        self.socket = Socket(headers(cookie=self.cookie))
        assert await self.socket.shake_hands() == (True, "waybill.v1")
        assert (await self.socket.next())["type"] == "welcome"
        self.reader = asyncio.create_task(self._read(self.socket), name="tab")

    async def subscribe(self, streams: dict[str, str | None]) -> None:
        assert self.socket is not None
        for stream in streams:
            self.unacked[stream].clear()
            self.follows.add(stream)
        self.requests.update(streams)
        await self.socket.send("subscribe", streams=streams)

    async def unsubscribe(self, stream: str) -> None:
        assert self.socket is not None
        self.follows.discard(stream)
        self.requests.pop(stream, None)
        await self.socket.send("unsubscribe", streams=[stream])

    async def disconnect(self, *, is_orderly: bool) -> None:
        assert self.socket is not None
        assert self.reader is not None
        socket, self.socket = self.socket, None
        self.reader.cancel()
        self.follows.clear()
        self.requests.clear()
        if is_orderly:
            await socket.disconnect()
        else:  # Daphne cancels its applications like this when it stops.
            socket.communicator.future.cancel()
            with suppress(asyncio.CancelledError):
                await socket.communicator.future

    async def acknowledge(self, stream: str, count: int) -> None:
        given, self.unacked[stream] = self.unacked[stream][:count], self.unacked[stream][count:]
        if given and self.socket is not None:
            await self.socket.send("ack", stream=stream, cursor=given[-1])

    async def _read(self, socket: Socket) -> None:
        while True:
            message = await socket.communicator.output_queue.get()
            assert message["type"] == "websocket.send", f"The socket was closed: {message}"
            frame = json.loads(message["text"])
            assert frame["type"] != "error", frame
            await self._take(frame)

    async def _take(self, frame: dict[str, Any]) -> None:
        stream = frame["stream"]
        if frame["type"] == "subscribed":
            if stream not in self.requests:
                return  # The client has unsubscribed since.
            requested, start = self.requests.pop(stream), Cursor.parse(frame["cursor"])
            if frame["recovered"] and requested not in {None, "latest"}:
                assert frame["cursor"] == requested, (
                    "The server continues from the client's cursor."
                )
            self.places[stream].begin(start, requested)
        elif stream in self.requests or stream not in self.follows:
            return  # The frame belongs to the previous subscription.
        elif frame["type"] == "reset":
            self.places[stream] = Place()
            self.unacked[stream].clear()
        else:
            self.places[stream].take(frame, self.ledger)
            self.memory[stream].append(deepcopy(self.places[stream]))
            self.unacked[stream].append(frame["cursor"])
            assert len(self.unacked[stream]) <= WINDOW
            if self.acknowledges:
                await self.acknowledge(stream, WINDOW)

    def raise_stored_error(self) -> None:
        """Raise an error that the background task has stored."""
        if self.socket is not None and self.reader is not None and self.reader.done():
            self.reader.result()

    def has_everything(self, tables: dict[str, Table]) -> bool:
        self.raise_stored_error()
        return not self.requests and all(
            self.places[stream].has(tables[stream]) for stream in self.follows
        )
