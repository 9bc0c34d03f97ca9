"""Models for tests of a subscription: the tables, their reader, and a client."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from notifications.streams.backlog import Backlog
from notifications.streams.cursor import Cursor
from notifications.streams.items import Item

if TYPE_CHECKING:
    from notifications.delivery.subscription import Read, Send

PAGE = 2  # A small page, so that catching up takes several reads.


@dataclass
class Stream:
    """The rows of the tables."""

    name: str
    epoch: str
    head: int = 0
    revision: int = 0
    floor: int = 0
    values: dict[str, int] = field(default_factory=dict)  # key -> revision

    @property
    def position(self) -> Cursor:
        return Cursor(self.epoch, self.head, self.revision)

    @property
    def start(self) -> Cursor:
        return Cursor(self.epoch, self.floor, 0)

    def event(self, offset: int, revision: int) -> Item:
        return Item(self.name, Cursor(self.epoch, offset, revision), "event", "fact", {}, "")

    def state(self, key: str, offset: int, revision: int) -> Item:
        return Item(self.name, Cursor(self.epoch, offset, revision), "state", key, {}, "")

    def commit(self, steps: list[str]) -> list[Item]:
        """Write events and values in their order. Return the items to push."""
        items = []
        for step in steps:
            if step == "event":
                self.head += 1
                items.append(self.event(self.head, self.revision))
            else:
                self.revision += 1
                self.values[step] = self.revision
                items.append(self.state(step, self.head, self.revision))
        return items


class Reading:
    """The three queries of `backlog.read`. A test may write between them."""

    def __init__(self, stream: Stream, request: Read) -> None:
        self.request = request
        self.limit = min(request.limit, PAGE)
        self.row = replace(stream)  # The first query reads the row of the stream.
        self.start, self.reset = self._begin()
        self.states: list[Item] | None = None

    def _begin(self) -> tuple[Cursor, Any]:
        if self.request.after is None:
            return self.row.start, None
        if self.request.after == "latest":
            return self.row.position, None
        after = self.request.after
        if after.epoch != self.row.epoch or not self.row.position.covers(after):
            return self.row.start, "epoch"
        return (self.row.start, "pruned") if after.offset < self.row.floor else (after, None)

    def run_next_query(self, stream: Stream) -> Backlog | Reading | None:
        """Run the next query. Return a page after the last one, or a new read if it failed."""
        gone = stream.epoch != self.row.epoch  # The stream was deleted with all its rows.
        if self.request.after == "latest":
            return Backlog(self.start, self.start)
        if self.states is None:
            newer = sorted(
                (revision, key)
                for key, revision in stream.values.items()
                if revision > self.start.revision and not gone
            )
            self.states = [
                self.row.state(key, self.start.offset, revision)
                for revision, key in newer[: self.limit]
            ]
            if len(self.states) < self.limit:
                return None
            return Backlog(self.start, self.states[-1].position, self.states, True, self.reset)
        seen = self.states[-1].position.revision if self.states else 0
        revision = max(self.row.revision, seen)
        first = max(self.start.offset, 0 if gone else stream.floor) + 1
        last = self.row.head if gone else stream.head
        offsets = [] if gone else list(range(first, last + 1))[: self.limit - len(self.states)]
        if offsets and offsets[0] != self.start.offset + 1:
            return Reading(stream, self.request)
        items = self.states + [self.row.event(offset, revision) for offset in offsets]
        end = Cursor(self.row.epoch, offsets[-1] if offsets else self.start.offset, revision)
        return Backlog(self.start, end, items, len(items) == self.limit, self.reset)


@dataclass
class Client:
    """A client that applies frames and checks each of them."""

    cursor: Cursor | None = None
    since: int = 0  # The client did not request values up to this revision.
    values: dict[str, int] = field(default_factory=dict)

    def begin(self, start: Cursor, *, latest: bool) -> None:
        assert self.cursor in {None, start}, "The server continues from the client's cursor."
        self.cursor = start
        self.since = start.revision if latest else self.since

    def forget(self, start: Cursor) -> None:
        self.cursor, self.since, self.values = start, 0, {}

    def take(self, step: Send) -> None:
        assert self.cursor is not None
        item = step.item
        assert item.position.epoch == self.cursor.epoch
        if item.kind == "event":
            assert item.position.offset == self.cursor.offset + 1, "Once, and in order."
            assert step.cursor.offset == item.position.offset
        else:
            assert item.position.revision > self.cursor.revision, "Newer than any before."
            assert step.cursor.offset == self.cursor.offset
            self.values[item.name] = item.position.revision
        assert step.cursor.covers(self.cursor)
        assert step.cursor.revision >= item.position.revision or item.kind == "event"
        self.cursor = step.cursor
