"""Push stored events again, with their original offsets.

Clients skip events that they have, and take those that they missed. So a replay is safe at any time
and may be repeated. It also looks for gaps: offsets are consecutive, so a missing offset means a
lost row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db.models import Min

from notifications.models import Stream
from notifications.streams import push
from notifications.streams.cursor import Cursor
from notifications.streams.items import Item

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from datetime import datetime

    from django.db.models import QuerySet

    from notifications.models import Event
    from notifications.streams.pacing import Pacer

BATCH = push.MAX_ITEMS  # Events in one message.
MAX_RANGES = 20  # Gaps that are listed. Further gaps are only counted.


class NotPossible(Exception):
    """A replay cannot start from the given cursor. The message has the reason and the remedy."""


@dataclass
class Replayed:
    """The progress and the result of one stream. Offsets are inclusive; 0 means none."""

    stream: str
    start: Cursor  # The replay covers the events after this cursor.
    head: int
    first: int = 0
    last: int = 0
    events: int = 0
    matching: int = 0  # The events of the selected types.
    pushed: int = 0
    failed: int = 0
    gaps: int = 0
    missing: int = 0  # The offsets in all gaps.
    ranges: list[tuple[int, int]] = field(default_factory=list)  # The first MAX_RANGES gaps.

    @property
    def is_complete(self) -> bool:
        """Return whether no event was missing and no push failed."""
        return not self.gaps and not self.failed

    @property
    def cursor(self) -> Cursor:
        """Return the cursor from which another replay can resume."""
        return Cursor(self.start.epoch, max(self.start.offset, self.last), self.start.revision)

    def add_gap(self, first: int, last: int) -> None:
        self.gaps += 1
        self.missing += last - first + 1
        if len(self.ranges) < MAX_RANGES:
            self.ranges.append((first, last))


@dataclass(frozen=True)
class Replay:
    """The options of a replay. `report` is called at the start of a stream and after each batch."""

    since: datetime | None = None
    after: Cursor | None = None
    types: Collection[str] = ()  # Empty: all types.
    dry_run: bool = False  # Count events and look for gaps, but push nothing.
    pacer: Pacer | None = None
    report: Callable[[Replayed], None] = lambda _: None

    def run(self, streams: QuerySet[Stream]) -> Iterator[Replayed]:
        """Replay `streams` in the order of their names. Raise NotPossible for an invalid cursor."""
        for stream in streams.order_by("name").iterator():
            yield self._replay(stream)

    def _replay(self, stream: Stream) -> Replayed:
        start = self._start(stream)
        begin = Cursor(stream.epoch, start - 1, stream.revision)
        done = Replayed(stream.name, begin, stream.head)
        self.report(done)
        for batch in self._batches(stream, start):
            # The first offset must be `start`, and each further one the previous one plus 1.
            expected = done.cursor.offset + 1
            for event in batch:
                self._look_for_gap(done, expected, event.offset - 1)
                expected = event.offset + 1
            done.first = done.first or batch[0].offset
            done.events += len(batch)
            self._push(done, [each for each in batch if not self.types or each.type in self.types])
            # Set after the push, so that a replay that resumes after an interruption skips nothing.
            done.last = batch[-1].offset
            self.report(done)
        self._look_for_gap(done, done.cursor.offset + 1, stream.head)
        return done

    def _start(self, stream: Stream) -> int:
        """Return the first offset to replay."""
        if self.after is not None:
            ensure_usable(self.after, stream)
            return self.after.offset + 1
        if self.since is None:
            return stream.floor + 1
        # The replay includes everything after the first match. The clocks of hosts differ, so a
        # later event may have an earlier time.
        recent = stream.events.filter(at__gte=self.since)
        first: int | None = recent.aggregate(first=Min("offset"))["first"]
        return stream.head + 1 if first is None else first

    def _batches(self, stream: Stream, start: int) -> Iterator[list[Event]]:
        """Yield events in batches, by offset. This needs little memory and no open cursor.

        The batches end at the head that the stream had at the start, because a busy stream never
        ends.
        """
        size = BATCH if self.pacer is None else self.pacer.batch(BATCH)
        known = stream.events.filter(offset__lte=stream.head).order_by("offset")
        while batch := list(known.filter(offset__gte=start)[:size]):
            yield batch
            start = batch[-1].offset + 1

    def _look_for_gap(self, done: Replayed, first: int, last: int) -> None:
        """Record a gap from `first` to `last`, unless these events have been pruned meanwhile."""
        if first > last:
            return
        now = Stream.objects.filter(name=done.stream, epoch=done.start.epoch).first()
        # A stream that has been deleted meanwhile has no gap either.
        if now is not None and (first := max(first, now.floor + 1)) <= last:
            done.add_gap(first, last)

    def _push(self, done: Replayed, events: list[Event]) -> None:
        done.matching += len(events)
        if self.dry_run or not events:
            return
        if self.pacer is not None:
            self.pacer.wait(len(events))
        if push.push([_item(done, each) for each in events]):
            done.pushed += len(events)
        else:
            done.failed += len(events)


def ensure_usable(cursor: Cursor, stream: Stream) -> None:
    """Raise NotPossible unless all events after `cursor` are stored."""
    instead = "Leave out --after to replay all stored events."
    if cursor.epoch != stream.epoch:
        raise NotPossible(
            f"The cursor {cursor} is not valid for {stream.name} any more: the stream was"
            f" recreated, or the database was restored. {instead}"
        )
    if cursor.offset > stream.head:
        raise NotPossible(
            f"The cursor {cursor} is at event {cursor.offset}, but {stream.name} ends at"
            f" {stream.head}. {instead}"
        )
    if cursor.offset < stream.floor:
        raise NotPossible(
            f"The events of {stream.name} up to {stream.floor} are pruned, but the cursor"
            f" {cursor} is at {cursor.offset}. {instead}"
        )


def _item(done: Replayed, event: Event) -> Item:
    position = Cursor(done.start.epoch, event.offset, done.start.revision)
    return Item(done.stream, position, "event", event.type, event.data, event.at.isoformat())
