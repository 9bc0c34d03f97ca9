"""The notifications of a user, and how far they have read them.

    from notifications.inbox import notify

    with transaction.atomic():
        notify(user, "Your report is ready", url="/reports/7/")

A notification is an event of the user's stream whose type is registered in `types`. The read
position is one number for each user. It only moves forward, and the stream retains it, so that all
tabs and devices show the same.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from django.db.models import F

from notifications.inbox import types
from notifications.inbox.types import Level, Notice
from notifications.models import Event, Inbox, Mailing, Stream
from notifications.streams import access, current_cursor, publish
from notifications.streams.cursor import Cursor
from notifications.writing import atomic

if TYPE_CHECKING:
    from datetime import datetime

    from django.contrib.auth.models import User
    from django.db.models import QuerySet

TYPE = "notification"  # The type of events from notify().
KEY = "inbox"  # The key of the retained state.

PAGE = 50
MAX_PAGE = 100


def notify(
    user: User, title: str, *, body: str = "", url: str = "", level: Level = "info"
) -> Event:
    """Send `user` a notification. The bell shows it at once, and by default it is also mailed.

    Call this at the end of a transaction. The notification is sent when the transaction commits.
    Raise ValueError, which names the field, for a text or a URL that cannot be shown.
    """
    notice = Notice(title, body, url, level)
    return publish.append(access.user_stream(user), TYPE, asdict(notice))


types.register(TYPE, lambda data: Notice(**data))


@dataclass(frozen=True, slots=True)
class State:
    """How far a user has read. `unread` counts notifications up to the event `head`."""

    read_offset: int
    unread: int
    head: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One notification, in the language of the reader."""

    offset: int
    type: str
    notice: Notice
    at: datetime
    read: bool


@dataclass(frozen=True, slots=True)
class Page:
    """A page of notifications, newest first. Pass `next` as `before` to get the next page.

    `cursor` was read before the notifications, so a client that follows the stream from it misses
    none.
    """

    state: State
    cursor: str
    entries: list[Entry]
    next: int | None


def page(user: User, *, before: int | None = None, limit: int = PAGE) -> Page:
    """Return the newest notifications of `user`, or the newest ones `before` an offset."""
    cursor = current_cursor(access.user_stream(user))
    head = Cursor.parse(cursor).offset
    stream = Stream.objects.get(name=access.user_stream(user))
    state = _state(user, stream, head)
    events = list(_newest(stream, head + 1 if before is None else min(before, head + 1), limit + 1))
    entries = [
        Entry(
            offset=event.offset,
            type=event.type,
            notice=types.describe(event),
            at=event.at,
            read=event.offset <= state.read_offset,
        )
        for event in events[:limit]
    ]
    return Page(state, cursor, entries, entries[-1].offset if len(events) > limit else None)


@atomic()
def mark_read(user: User, up_to: int | None = None) -> State:
    """Mark everything up to the event `up_to` as read, or everything that exists.

    The position never moves back, so an old tab cannot mark notifications as unread again.
    """
    name = access.user_stream(user)
    current_cursor(name)  # Creates the stream if it does not exist yet.
    # With the lock, no event can be appended between the count and the retained value.
    stream = Stream.objects.select_for_update().get(name=name)
    offset = stream.head if up_to is None else min(up_to, stream.head)
    ensure_row(user, stream)
    behind = Inbox.objects.filter(user=user.pk, stream=stream, read_offset__lt=offset)
    moved = behind.update(read_offset=offset)
    state = _state(user, stream, stream.head)
    if moved:
        publish.retain(name, KEY, asdict(state))
    return state


def mailing(user: User) -> str:
    """Return which notifications `user` wants by e-mail: a value of Mailing."""
    chosen = Inbox.objects.filter(user=user.pk).values_list("email", flat=True).first()
    return chosen or Mailing.ALL


def choose_mailing(user: User, choice: str, language: str) -> None:
    """Store which notifications `user` wants by e-mail, and in which language."""
    chosen = {"email": Mailing(choice), "language": language}
    Inbox.objects.update_or_create(user_id=user.pk, defaults=chosen)


def remember_language(user: User, language: str) -> None:
    """Send e-mails to `user` in `language` from now on."""
    Inbox.objects.update_or_create(user_id=user.pk, defaults={"language": language})


def ensure_row(user: User, stream: Stream) -> None:
    """Create the inbox row of `user`. Reset its offsets if their stream was recreated."""
    row, _ = Inbox.objects.get_or_create(user_id=user.pk, defaults={"stream": stream})
    if row.stream_id != stream.pk:
        Inbox.objects.filter(pk=row.pk, stream=row.stream_id).update(
            stream=stream, read_offset=0, mailed_offset=0
        )


def _state(user: User, stream: Stream, head: int) -> State:
    mine = Inbox.objects.filter(user=user.pk, stream=stream)
    read_offset = mine.values_list("read_offset", flat=True).first() or 0
    unread = _events(stream).filter(offset__gt=read_offset, offset__lte=head).count()
    return State(read_offset, unread, head)


def _events(stream: Stream) -> QuerySet[Event]:
    return Event.objects.filter(stream=stream, type__in=types.types())


def _newest(stream: Stream, before: int, count: int) -> QuerySet[Event]:
    # "+ 0" makes SQLite use the index of types, because it sorts by an expression. Otherwise it
    # would scan all log lines in the order of their offsets.
    offsets = _events(stream).filter(offset__lt=before).order_by((F("offset") + 0).desc())
    newest = offsets.values("offset")[:count]
    return Event.objects.filter(stream=stream, offset__in=newest).order_by("-offset")
