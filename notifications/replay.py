"""Push persisted events again, with their own offsets.

Whoever has them drops them, whoever missed them fills in: safe at any time, any number of
times. On the way it counts: offsets are gapless, so a missing one means lost rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Min

from notifications import push
from notifications.cursor import Cursor
from notifications.items import Item

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from django.db.models import QuerySet

    from notifications.models import Event, Stream

BATCH = push.MAX_ITEMS  # events in one message


@dataclass
class Replayed:
    """What was done for one stream. Offsets are inclusive; 0 means none."""

    stream: str
    first: int = 0
    last: int = 0
    events: int = 0
    pushed: int = 0
    gaps: int = 0

    @property
    def is_whole(self) -> bool:
        """Nothing was missing, and everything that was found has gone out."""
        return not self.gaps and self.pushed == self.events


def replay(
    streams: QuerySet[Stream], *, since: datetime | None = None, dry_run: bool = False
) -> Iterator[Replayed]:
    """Replay each of `streams`, from `since` on. A dry run counts and pushes nothing."""
    for stream in streams.order_by("name").iterator():
        yield _replay(stream, since, dry_run=dry_run)


def _replay(stream: Stream, since: datetime | None, *, dry_run: bool) -> Replayed:
    done = Replayed(stream.name)
    start = stream.floor + 1 if since is None else _first_since(stream, since)
    if start is None:
        return done
    for batch in _batches(stream, start):
        # From the first event that is wanted on, each must follow the one before it.
        expected = done.last + 1 if done.last else start
        done.first = done.first or batch[0].offset
        done.last = batch[-1].offset
        done.gaps += done.last - expected + 1 - len(batch)
        done.events += len(batch)
        if dry_run or push.push([_item(stream, event) for event in batch]):
            done.pushed += len(batch)
    # What was appended while this ran is newer than the row, and no gap.
    done.gaps += max(0, stream.head - max(done.last, stream.floor))
    return done


def _first_since(stream: Stream, since: datetime) -> int | None:
    """From there on everything counts: by the clocks of two hosts, a later event may be older."""
    first: int | None = stream.events.filter(at__gte=since).aggregate(first=Min("offset"))["first"]
    return first


def _batches(stream: Stream, start: int) -> Iterator[list[Event]]:
    """By offset, a page at a time: memory stays flat, and no cursor is held open."""
    while batch := list(stream.events.filter(offset__gte=start).order_by("offset")[:BATCH]):
        yield batch
        start = batch[-1].offset + 1


def _item(stream: Stream, event: Event) -> Item:
    position = Cursor(stream.epoch, event.offset, stream.revision)
    return Item(stream.name, position, "event", event.type, event.data, event.at.isoformat())
