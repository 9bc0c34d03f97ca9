"""What follows a cursor: retained values first, then events, from the tables alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from notifications.models import Stream
from notifications.streams.cursor import Cursor
from notifications.streams.items import Item

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGE = 500  # Items read at once: bounds the memory of a client that was away for long.


@dataclass(frozen=True, slots=True)
class Backlog:
    """One page. Whoever takes its items stands at `end`; `more` says there is another."""

    start: Cursor
    end: Cursor
    items: list[Item] = field(default_factory=list)
    more: bool = False
    # The given cursor means nothing any more; what follows begins from the start.
    reset: Literal["pruned", "epoch"] | None = None


def current_cursor(name: str) -> str:
    """Where stream `name` stands now. Read it before the state that a page renders.

    The page subscribes from it: what happens in between comes over the socket, and
    nothing comes twice.
    """
    return str(_head(_stream(name)))


def heads(names: Iterable[str]) -> dict[str, Cursor]:
    """Where each of these streams stands, in one query. Absent: never written to."""
    rows = Stream.objects.filter(name__in=list(names)).values_list(
        "name", "epoch", "head", "revision"
    )
    return {name: Cursor(epoch, head, revision) for name, epoch, head, revision in rows}


def read(name: str, after: Cursor | Literal["latest"] | None, limit: int = PAGE) -> Backlog:
    """The next items of stream `name` after a cursor: at most `limit`, and at most PAGE.

    None is the start: every retained value, and every event that is still kept.
    """
    limit = min(limit, PAGE)
    # The row is read first. What the two queries below see in addition is newer, and
    # its own numbers say so.
    stream = _stream(name)
    head = _head(stream)
    if after == "latest":
        return Backlog(head, head)
    start, reset = _start(stream, after)

    items = _states(stream, start, limit)
    if len(items) == limit:
        return Backlog(start, items[-1].position, items, more=True, reset=reset)
    seen = items[-1].position.revision if items else 0
    level = Cursor(stream.epoch, start.offset, max(head.revision, seen))
    events = _events(stream, level, limit - len(items))
    if events and events[0].position.offset != start.offset + 1 and _has_lost(stream, start):
        # Since the row was read. What is missing here, the client must be told of.
        return read(name, after, limit)
    end = events[-1].position if events else level
    items += events
    return Backlog(start, end, items, more=len(items) == limit, reset=reset)


def read_type(name: str, type_: str, after: Cursor | None, limit: int) -> Backlog:
    """The next events of one type in stream `name`, at most `limit`, and no values.

    Who has come to the end may follow the stream from there.
    """
    stream = _stream(name)  # First, as above.
    start, reset = _start(stream, after)
    items = _events(stream, start, limit, type=type_)
    seen = items[-1].position.offset if items else start.offset
    more = len(items) == limit
    end = Cursor(stream.epoch, seen if more else max(stream.head, seen), start.revision)
    return Backlog(start, end, items, more=more, reset=reset)


def _start(
    stream: Stream, after: Cursor | None
) -> tuple[Cursor, Literal["pruned", "epoch"] | None]:
    """Where to read on for one who stands at `after`, and why that is the start again."""
    start = Cursor(stream.epoch, stream.floor, 0)
    if after is None:
        return start, None
    if after.epoch != stream.epoch or not _head(stream).covers(after):
        # Also a cursor from a future that a restored database has forgotten.
        return start, "epoch"
    if after.offset < stream.floor:
        return start, "pruned"
    return after, None


def _stream(name: str) -> Stream:
    """Its row, made when it is first asked for, so that an empty stream has a cursor."""
    return Stream.objects.get_or_create(name=name)[0]


def _has_lost(stream: Stream, start: Cursor) -> bool:
    """Whether it has been pruned beyond `start` by now, or deleted."""
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
    # Not as models: to make ten thousand of those takes longer than to read them.
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
