"""The only code that writes to streams.

Call these functions at the end of a transaction. The stream's row stays locked until the commit, so
that offsets become visible in order. A transaction that writes to several streams must write in the
order of their names. Otherwise two such transactions may deadlock.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.utils import timezone

from notifications.models import Event, Retained, Stream
from notifications.printable import storable
from notifications.streams.cursor import Cursor
from notifications.streams.items import Item
from notifications.streams.push import after_commit
from notifications.writing import alias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


# Reserves positions and returns them in one statement. `QuerySet.update()` returns no rows.
ADVANCE = (
    'UPDATE "notifications_stream" SET "head" = "head" + %s, "revision" = "revision" + %s'
    ' WHERE "name" = %s RETURNING *'
)


class NotInTransaction(RuntimeError):
    """A function of this module was called outside of a transaction.

    Wrap the call, together with the change that it reports, in `transaction.atomic()`.
    """


def append(stream: str, type: str, data: Mapping[str, Any]) -> Event:  # noqa: A002 - the wire's word
    """Append an event to `stream`. `data` must be serializable as JSON."""
    return append_many(stream, [(type, data)])[0]


def append_many(stream: str, new: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Event]:
    """Append events (type, data) to `stream`, in this order and with one INSERT."""
    if not new:
        return []
    row = _advance(stream, events=len(new))
    now = timezone.now()
    first = row.head - len(new) + 1
    events = [
        Event(stream=row, offset=offset, type=type_, data=_plain(data), at=now)
        for offset, (type_, data) in enumerate(new, start=first)
    ]
    Event.objects.bulk_create(events)
    after_commit(
        [
            Item(
                stream,
                Cursor(row.epoch, event.offset, row.revision),
                "event",
                event.type,
                event.data,
                now.isoformat(),
            )
            for event in events
        ]
    )
    return events


def retain(stream: str, key: str, data: Mapping[str, Any]) -> Retained:
    """Make `data` the current value of `key` in `stream`. It replaces the previous value."""
    row = _advance(stream, values=1)
    now = timezone.now()
    value = Retained(stream=row, key=key, revision=row.revision, data=_plain(data), at=now)
    # One statement without a savepoint, because this is the most frequent write.
    Retained.objects.bulk_create(
        [value],
        update_conflicts=True,
        unique_fields=["stream", "key"],
        update_fields=["revision", "data", "at"],
    )
    position = Cursor(row.epoch, row.head, row.revision)
    after_commit([Item(stream, position, "state", key, value.data, now.isoformat())])
    return value


def _advance(name: str, *, events: int = 0, values: int = 0) -> Stream:
    """Reserve the next offsets or revisions of a stream. Locks its row until the commit."""
    if not transaction.get_connection(alias()).in_atomic_block:
        raise NotInTransaction(f"Publish to {name} inside transaction.atomic().")
    if (stream := _update(name, events, values)) is not None:
        return stream
    # Two transactions may create the same stream. Then the second one waits for the first, and its
    # INSERT has no effect.
    Stream.objects.bulk_create([Stream(name=name)], ignore_conflicts=True)
    return cast("Stream", _update(name, events, values))


def _update(name: str, events: int, values: int) -> Stream | None:
    """Return the stream with its new position, or None if it does not exist."""
    return next(iter(Stream.objects.raw(ADVANCE, [events, values, name])), None)


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return `data` as it will be read from the row, so that a push has the same data."""
    text = json.dumps(data, cls=DjangoJSONEncoder, allow_nan=False)
    plain: dict[str, Any] = json.loads(text)
    return _storable(plain) if "\\u0000" in text or "\\ud" in text else plain


def _storable(value: Any) -> Any:
    """Replace characters that no database stores by U+FFFD, in all texts of `value`."""
    match value:
        case str():
            return storable(value)
        case list():
            return [_storable(each) for each in value]
        case dict():
            return {_storable(key): _storable(each) for key, each in value.items()}
    return value
