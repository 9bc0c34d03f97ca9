"""Read the items after a cursor from the tables: retained values first, then events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from notifications.models import Stream
from notifications.streams.cursor import Cursor
from notifications.streams.items import Item

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGE = 500  # Items in one read. This limits the memory for a client that was away for long.


@dataclass(frozen=True, slots=True)
class Backlog:
    """A page of items, which takes a client from `start` to `end`. `more`: another page follows."""

    start: Cursor
    end: Cursor
    items: list[Item] = field(default_factory=list)
    more: bool = False
    # Why the requested cursor is no longer valid. The page then begins at the start of the stream.
    reset: Literal["pruned", "epoch"] | None = None


def current_cursor(name: str) -> str:
    """Return the current cursor of stream `name`. Read it before the state that a page renders.

    If the page subscribes from this cursor, every change after that moment arrives over the socket,
    and nothing arrives twice.
    """
    return str(_head(_stream(name)))


def heads(names: Iterable[str]) -> dict[str, Cursor]:
    """Return the current cursor of each stream, in one query. Missing streams are left out."""
    rows = Stream.objects.filter(name__in=list(names)).values_list(
        "name", "epoch", "head", "revision"
    )
    return {name: Cursor(epoch, head, revision) for name, epoch, head, revision in rows}


def read(name: str, after: Cursor | Literal["latest"] | None, limit: int = PAGE) -> Backlog:
    """Return the next items of stream `name` after a cursor: at most `limit`, and at most PAGE.

    None means the start: every retained value, and every event that is still stored.
    """
    limit = min(limit, PAGE)
    # The row is read first, so the two queries below may find newer items. These have their own
    # offsets and revisions, so the cursor at the end is still right.
    stream = _stream(name)
    head = _head(stream)
    if after == "latest":
        return Backlog(head, head)
    start, reset = _start(stream, after)

    items = _states(stream, start, limit)
    if len(items) == limit:
        return Backlog(start, items[-1].position, items, more=True, reset=reset)
    last_revision = items[-1].position.revision if items else 0
    after_values = Cursor(stream.epoch, start.offset, max(head.revision, last_revision))
    events = _events(stream, after_values, limit - len(items))
    if events and events[0].position.offset != start.offset + 1 and _has_lost(stream, start):
        # Events were pruned after the row was read. Another read returns a reset.
        return read(name, after, limit)
    end = events[-1].position if events else after_values
    items += events
    return Backlog(start, end, items, more=len(items) == limit, reset=reset)


def read_type(name: str, type_: str, after: Cursor | None, limit: int) -> Backlog:
    """Return the next events of one type in stream `name`, at most `limit`. Leave out values.

    A client that has read all pages may follow the stream from the last cursor.
    """
    stream = _stream(name)  # The row is read first, for the same reason as in `read`.
    start, reset = _start(stream, after)
    items = _events(stream, start, limit, type=type_)
    last = items[-1].position.offset if items else start.offset
    more = len(items) == limit
    end = Cursor(stream.epoch, last if more else max(stream.head, last), start.revision)
    return Backlog(start, end, items, more=more, reset=reset)


def _start(
    stream: Stream, after: Cursor | None
) -> tuple[Cursor, Literal["pruned", "epoch"] | None]:
    """Return the cursor to read from, and the reason if `after` is not valid any more."""
    start = Cursor(stream.epoch, stream.floor, 0)
    if after is None:
        return start, None
    if after.epoch != stream.epoch or not _head(stream).covers(after):
        # A cursor beyond the head was sent before the database was restored from a backup.
        return start, "epoch"
    if after.offset < stream.floor:
        return start, "pruned"
    return after, None


def _stream(name: str) -> Stream:
    """Return the row of a stream. It is created here, so that an empty stream has a cursor."""
    return Stream.objects.get_or_create(name=name)[0]


def _has_lost(stream: Stream, start: Cursor) -> bool:
    """Return whether the stream has meanwhile been deleted, or pruned beyond `start`."""
    floor = Stream.objects.filter(pk=stream.pk).values_list("floor", flat=True).first()
    return floor is None or floor > start.offset


def _head(stream: Stream) -> Cursor:
    return Cursor(stream.epoch, stream.head, stream.revision)


def _states(stream: Stream, after: Cursor, limit: int) -> list[Item]:
    values = stream.retained.filter(revision__gt=after.revision).order_by("revision")[:limit]
    return [
        Item(
            stream.name,
            Cursor(stream.epoch, after.offset, value.revision),
            "state",
            value.key,
            value.data,
            value.at.isoformat(),
        )
        for value in values
    ]


def _events(stream: Stream, after: Cursor, limit: int, **only: str) -> list[Item]:
    # Not model instances: creating ten thousand takes longer than reading the rows.
    rows = stream.events.filter(offset__gt=after.offset, **only).order_by("offset")
    return [
        Item(
            stream.name,
            Cursor(stream.epoch, offset, after.revision),
            "event",
            type_,
            data,
            at.isoformat(),
        )
        for offset, type_, data, at in rows.values_list("offset", "type", "data", "at")[:limit]
    ]
