"""Push persisted events again, with their own offsets.

Whoever has them drops them, whoever missed them fills in: safe at any time, any number of
times. On the way it counts: offsets are gapless, so a missing one means lost rows.
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

BATCH = push.MAX_ITEMS  # events in one message
MAX_RANGES = 20  # Gaps that are named. Of a table that was half lost, the number says enough.


class NotPossible(Exception):
    """A replay cannot go on from that cursor. The message says why, and what to do."""


@dataclass
class Replayed:
    """What has been done for one stream. Offsets are inclusive; 0 means none."""

    stream: str
    start: Cursor  # Who stands here needs what is replayed.
    head: int
    first: int = 0
    last: int = 0
    events: int = 0
    matching: int = 0  # of those, the ones of a type that was asked for
    pushed: int = 0
    failed: int = 0
    gaps: int = 0
    missing: int = 0  # offsets in all gaps
    ranges: list[tuple[int, int]] = field(default_factory=list)  # the first of the gaps

    @property
    def is_whole(self) -> bool:
        """Nothing was missing, and everything that should go out has gone out."""
        return not self.gaps and not self.failed

    @property
    def cursor(self) -> Cursor:
        """Where another replay goes on."""
        return Cursor(self.start.epoch, max(self.start.offset, self.last), self.start.revision)

    def lost(self, first: int, last: int) -> None:
        self.gaps += 1
        self.missing += last - first + 1
        if len(self.ranges) < MAX_RANGES:
            self.ranges.append((first, last))


@dataclass(frozen=True)
class Replay:
    """Which events, and how. `report` is told of each stream when it begins and as it goes."""

    since: datetime | None = None
    after: Cursor | None = None
    types: Collection[str] = ()  # Empty: all.
    dry_run: bool = False  # Count and look for gaps; push nothing.
    pacer: Pacer | None = None
    report: Callable[[Replayed], None] = lambda _: None

    def of(self, streams: QuerySet[Stream]) -> Iterator[Replayed]:
        """Replay each of `streams`, by name. Raises NotPossible for a cursor that is no use."""
        for stream in streams.order_by("name").iterator():
            yield self._replay(stream)

    def _replay(self, stream: Stream) -> Replayed:
        start = self._start(stream)
        begin = Cursor(stream.epoch, start - 1, stream.revision)
        done = Replayed(stream.name, begin, stream.head)
        self.report(done)
        for batch in self._batches(stream, start):
            # From the first event that is wanted on, each must follow the one before it.
            expected = done.cursor.offset + 1
            for event in batch:
                self._look_for_gap(done, expected, event.offset - 1)
                expected = event.offset + 1
            done.first = done.first or batch[0].offset
            done.events += len(batch)
            self._push(done, [each for each in batch if not self.types or each.type in self.types])
            # Last, so that whoever goes on after an interruption leaves nothing out.
            done.last = batch[-1].offset
            self.report(done)
        self._look_for_gap(done, done.cursor.offset + 1, stream.head)
        return done

    def _start(self, stream: Stream) -> int:
        """The first offset that counts."""
        if self.after is not None:
            ensure_usable(self.after, stream)
            return self.after.offset + 1
        if self.since is None:
            return stream.floor + 1
        # Everything from there on: by the clocks of two hosts, a later event may be older.
        young = stream.events.filter(at__gte=self.since)
        first: int | None = young.aggregate(first=Min("offset"))["first"]
        return stream.head + 1 if first is None else first

    def _batches(self, stream: Stream, start: int) -> Iterator[list[Event]]:
        """By offset, a page at a time: memory stays flat, and no cursor is held open.

        Up to the head as it was: on a busy stream there would be no end.
        """
        size = BATCH if self.pacer is None else self.pacer.batch(BATCH)
        known = stream.events.filter(offset__lte=stream.head).order_by("offset")
        while batch := list(known.filter(offset__gte=start)[:size]):
            yield batch
            start = batch[-1].offset + 1

    def _look_for_gap(self, done: Replayed, first: int, last: int) -> None:
        """Note that `first` to `last` are missing, unless they were pruned meanwhile."""
        if first > last:
            return
        now = Stream.objects.filter(name=done.stream, epoch=done.start.epoch).first()
        # A stream that has been deleted meanwhile has lost nothing either.
        if now is not None and (first := max(first, now.floor + 1)) <= last:
            done.lost(first, last)

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
    """Raise NotPossible unless all that follows `cursor` is there."""
    instead = "Without --after all that is kept is replayed."
    if cursor.epoch != stream.epoch:
        raise NotPossible(
            f"The cursor {cursor} is of another life of {stream.name}, which has been made anew"
            f" since, or its database restored. {instead}"
        )
    if cursor.offset > stream.head:
        raise NotPossible(
            f"The cursor {cursor} stands at event {cursor.offset}, and {stream.name} ends at"
            f" {stream.head}. {instead}"
        )
    if cursor.offset < stream.floor:
        raise NotPossible(
            f"The events of {stream.name} up to {stream.floor} are pruned, and the cursor"
            f" {cursor} stands at {cursor.offset}. {instead}"
        )


def _item(done: Replayed, event: Event) -> Item:
    position = Cursor(done.start.epoch, event.offset, done.start.revision)
    return Item(done.stream, position, "event", event.type, event.data, event.at.isoformat())
