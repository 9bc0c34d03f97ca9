"""The only code that writes streams.

Call these inside a transaction, last: a stream's row stays locked until the commit,
which is what makes offsets visible in order. A transaction that writes to several
streams must take them in the order of their names, or two such may wait for each other.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from notifications.models import Event, Retained, Stream
from notifications.streams.cursor import Cursor
from notifications.streams.items import Item
from notifications.streams.push import after_commit
from notifications.writing import alias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


# PostgreSQL's jsonb refuses NUL and half of a surrogate pair; and half a pair, as in a file
# name that is no UTF-8, cannot be sent to any client.
UNSENDABLE = re.compile("[\0\ud800-\udfff]")


class NotInTransaction(RuntimeError):
    """Publishing outside of a transaction: wrap it, and what it reports, in atomic()."""


def append(stream: str, type: str, data: Mapping[str, Any]) -> Event:  # noqa: A002 - the wire's word
    """Append a fact to `stream`. `data` must be what JSON can hold."""
    return append_many(stream, [(type, data)])[0]


def append_many(stream: str, facts: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Event]:
    """Append facts to `stream` in their order, in one round trip. Log lines, for example."""
    if not facts:
        return []
    row = _advance(stream, events=len(facts))
    now = timezone.now()
    first = row.head - len(facts) + 1
    events = [
        Event(stream=row, offset=offset, type=type_, data=_plain(data), at=now)
        for offset, (type_, data) in enumerate(facts, start=first)
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
    """Make `data` the current value of `key` in `stream`. The older value is gone."""
    row = _advance(stream, values=1)
    now = timezone.now()
    value = Retained(stream=row, key=key, revision=row.revision, data=_plain(data), at=now)
    # One statement, and no savepoint: it is the most frequent write of all.
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
    """Take the next numbers of a stream, and with them its row's lock until the commit."""
    if not transaction.get_connection(alias()).in_atomic_block:
        raise NotInTransaction(f"Publish to {name} inside transaction.atomic().")
    step = {"head": F("head") + events, "revision": F("revision") + values}
    if not Stream.objects.filter(name=name).update(**step):
        # Two transactions may make the same stream: the second waits, and makes nothing.
        Stream.objects.bulk_create([Stream(name=name)], ignore_conflicts=True)
        Stream.objects.filter(name=name).update(**step)
    return Stream.objects.get(name=name)


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """`data` as JSON gives it back: what is pushed is what is stored."""
    text = json.dumps(data, cls=DjangoJSONEncoder, allow_nan=False)
    plain: dict[str, Any] = json.loads(text)
    return _sendable(plain) if "\\u0000" in text or "\\ud" in text else plain


def _sendable(value: Any) -> Any:
    """The replacement character says that one was there which cannot be kept."""
    match value:
        case str():
            return UNSENDABLE.sub("\N{REPLACEMENT CHARACTER}", value)
        case list():
            return [_sendable(each) for each in value]
        case dict():
            return {_sendable(key): _sendable(each) for key, each in value.items()}
    return value
